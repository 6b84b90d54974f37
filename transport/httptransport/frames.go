package httptransport

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
)

// The kinds of frames. Parts come before the message that refers to them, so that a message is complete with its frame.
const (
	framePart    = 'p' // the raw bytes of one Blob
	frameMessage = 'm' // JSON, referring to the parts since the last message
	frameEnd     = 'e' // the stream is complete; JSON, see trailer
	frameError   = 'x' // the stream has failed; JSON, see trailer
	frameCredit  = 'c' // in a request, behind the message: so many more pieces may come; four bytes, most significant first
)

const (
	frameHeader = 5       // the kind, and the length in four bytes, most significant first
	maxParts    = 1 << 16 // of one message; an empty part costs the reader more than the writer
)

// frameRoom is how much longer than its message a body of frames may be.
const frameRoom = frameHeader * (maxParts + 1)

func appendFrameHeader(dst []byte, kind byte, length int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, kind), uint32(length))
}

func appendFrame(dst []byte, kind byte, payload []byte) []byte {
	return append(appendFrameHeader(dst, kind, len(payload)), payload...)
}

// framed returns the message as it is sent, in slices that are to be sent one after another and share the parts.
func framed(m transport.Message) ([][]byte, error) {
	if len(m.Parts) > maxParts {
		return nil, &genai.Error{Kind: genai.TooLarge, Message: fmt.Sprintf("the message has %d blobs; it may have %d", len(m.Parts), maxParts)}
	}
	small := make([]byte, 0, frameHeader*(len(m.Parts)+1)+len(m.Head))
	all := make([][]byte, 0, 2*len(m.Parts)+1)
	for _, part := range m.Parts {
		if int64(len(part)) > 1<<32-1 {
			return nil, &genai.Error{Kind: genai.TooLarge, Message: fmt.Sprintf("a blob has %d bytes; it may have %d", len(part), 1<<32-1)}
		}
		begin := len(small)
		small = appendFrameHeader(small, framePart, len(part))
		all = append(all, small[begin:], part)
	}
	begin := len(small)
	small = appendFrame(small, frameMessage, m.Head)
	return append(all, small[begin:]), nil
}

// parseMessage returns the one message that body consists of. It shares the bytes of body.
func parseMessage(body []byte) (transport.Message, error) {
	var m transport.Message
	for {
		if len(body) < frameHeader {
			return m, garbledFrames("a frame is cut")
		}
		kind, length := body[0], binary.BigEndian.Uint32(body[1:])
		body = body[frameHeader:]
		if uint64(length) > uint64(len(body)) {
			return m, garbledFrames("a frame is cut")
		}
		payload := body[:length:length]
		body = body[length:]
		switch kind {
		case framePart:
			if len(m.Parts) == maxParts {
				return m, garbledFrames("a message has too many parts")
			}
			m.Parts = append(m.Parts, payload)
		case frameMessage:
			if len(body) > 0 {
				return m, garbledFrames("there is something after the message")
			}
			m.Head = payload
			return m, nil
		default:
			return m, garbledFrames("there is a frame of an unknown kind")
		}
	}
}

// readFrames reads from a stream of frames up to one that is no part. The Head of the message is the payload of that
// frame, and is valid until the next call with the same buffer; the parts are their owner's. max bounds a message.
func readFrames(r *bufio.Reader, buffer *[]byte, max int64) (kind byte, m transport.Message, err error) {
	left := max
	for {
		header, err := r.Peek(frameHeader)
		if err != nil {
			return 0, m, err
		}
		kind, length := header[0], int64(binary.BigEndian.Uint32(header[1:]))
		_, _ = r.Discard(frameHeader) // what was peeked at is there
		switch kind {
		case framePart, frameMessage:
			if length > left {
				return 0, m, tooLarge("piece", max-left+length, max)
			}
			left -= length
		case frameEnd, frameError:
			if length > maxTrailer {
				return 0, m, tooLarge("end of the stream", length, maxTrailer)
			}
		default:
			return 0, m, garbledFrames("there is a frame of an unknown kind")
		}
		if kind != framePart {
			*buffer, err = readN(r, (*buffer)[:0], length)
			m.Head = *buffer
			return kind, m, err
		}
		if len(m.Parts) == maxParts {
			return 0, m, garbledFrames("a message has too many parts")
		}
		part, err := readN(r, nil, length)
		if err != nil {
			return 0, m, err
		}
		m.Parts = append(m.Parts, part)
	}
}

// atOnce is how much memory is made ready for bytes that are only announced.
const atOnce = 4 << 20

// readN appends n bytes of r to dst. What r announced is not believed before it came.
func readN(r io.Reader, dst []byte, n int64) ([]byte, error) {
	for n > 0 {
		step := int(min(n, max(atOnce, int64(len(dst)))))
		begin := len(dst)
		if cap(dst)-begin < step {
			grown := make([]byte, begin, begin+step)
			copy(grown, dst)
			dst = grown
		}
		dst = dst[:begin+step]
		if err := readFull(r, dst[begin:]); err != nil {
			return dst[:begin], err
		}
		n -= int64(step)
	}
	return dst, nil
}

// readFull is io.ReadFull, for which an end is always too early.
func readFull(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func garbledFrames(message string) error {
	return genai.Errorf(genai.Malformed, "the body is not made of frames as it should be: %s", message)
}

func tooLarge(what string, has, may int64) error {
	return &genai.Error{Kind: genai.TooLarge, Message: fmt.Sprintf("the %s has %d bytes; it may have %d", what, has, may)}
}
