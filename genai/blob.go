package genai

import (
	"encoding/json"
	"fmt"
	"net/url"
)

// A Blob is an immutable piece of media: bytes with a media type, or a URL where they can be had. Copying a Blob shares
// the bytes. Inside Dovetail they are never turned into base64: a process hands them on as they are, and a transport
// sends them as raw frames beside the message. The zero Blob holds nothing.
type Blob struct {
	mediaType string
	data      []byte
	url       string
	sha256    string
	part      int // 1-based place among the raw frames of a message, while the bytes are still outside
}

// NewBlob returns a Blob of data. It does not copy: the caller must not change data afterwards.
func NewBlob(mediaType string, data []byte) Blob {
	return Blob{mediaType: mediaType, data: data[:len(data):len(data)]}
}

// BlobURL returns a Blob whose bytes are to be had at url. sha256 is the hash of the bytes in hexadecimal, or empty if
// it is not known; those who fetch them check it.
func BlobURL(mediaType, url, sha256 string) Blob {
	return Blob{mediaType: mediaType, url: url, sha256: sha256}
}

// MediaType returns the media type, such as "image/png".
func (b Blob) MediaType() string { return b.mediaType }

// Bytes returns the bytes, or nil if the Blob is a URL. They are shared and must not be changed.
func (b Blob) Bytes() []byte { return b.data }

// Len returns the number of bytes; 0 if the Blob is a URL.
func (b Blob) Len() int { return len(b.data) }

// URL returns where the bytes are to be had, or "" if they are in the Blob.
func (b Blob) URL() string { return b.url }

// SHA256 returns the expected hash of what is at the URL in hexadecimal, or "" if it is not known.
func (b Blob) SHA256() string { return b.sha256 }

// IsZero reports whether the Blob holds nothing.
func (b Blob) IsZero() bool {
	return b.mediaType == "" && b.data == nil && b.url == "" && b.sha256 == "" && b.part == 0
}

// String describes the Blob without its contents.
func (b Blob) String() string {
	if b.url != "" {
		return fmt.Sprintf("%s at a URL", b.mediaType)
	}
	return fmt.Sprintf("%s of %d bytes", b.mediaType, len(b.data))
}

type blobJSON struct {
	MediaType string `json:"media_type,omitzero"`
	Data      []byte `json:"data,omitzero"`
	URL       string `json:"url,omitzero"`
	SHA256    string `json:"sha256,omitzero"`
	Part      int    `json:"part,omitzero"`
}

// MarshalJSON encodes a Blob that stands alone, in a file or a log of one's own: bytes become base64. Transports do not
// come here with bytes; they put a reference to a raw frame in their place, see [Blob.Detach].
func (b Blob) MarshalJSON() ([]byte, error) {
	return json.Marshal(blobJSON{b.mediaType, b.data, b.url, b.sha256, b.part})
}

// UnmarshalJSON decodes what MarshalJSON encodes.
func (b *Blob) UnmarshalJSON(text []byte) error {
	var j blobJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	if j.Part < 0 {
		return Errorf(InvalidRequest, "a blob refers to frame %d; the first is 1", j.Part)
	}
	if j.URL != "" {
		if _, err := url.Parse(j.URL); err != nil {
			return Errorf(InvalidRequest, "a blob has a URL that cannot be parsed")
		}
	}
	*b = Blob{j.MediaType, j.Data, j.URL, j.SHA256, j.Part}
	return nil
}

// Detach is for transports: it returns the Blob without its bytes, referring to the raw frame with the number part,
// counted from 1, in which they travel.
func (b Blob) Detach(part int) Blob {
	b.data, b.part = nil, part
	return b
}

// Part returns the number of the raw frame that holds the bytes of a detached Blob, or 0 if it is whole.
func (b Blob) Part() int { return b.part }

// Attach is for transports: it gives a detached Blob its bytes back.
func (b Blob) Attach(data []byte) Blob {
	b.data, b.part = data[:len(data):len(data)], 0
	return b
}
