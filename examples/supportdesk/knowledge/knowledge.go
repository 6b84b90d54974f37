// Package knowledge holds the desk's knowledge base, which is the user guide of Dovetail.
package knowledge

import "embed"

// Files are the Markdown files of this folder.
//
//go:embed *.md
var Files embed.FS
