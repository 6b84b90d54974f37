// Package dovetail is the front door of the library and holds no code.
package dovetail
