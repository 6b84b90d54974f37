// Package jsonscan walks through JSON by hand, because decoding is most of what a token costs on our side. It checks the
// grammar of what it passes over as strictly as encoding/json does. After a failure a [Scanner] stands still, so that a
// walk needs to look at the error only at its end:
//
//	s := jsonscan.New(text)
//	if s.Open('{') {
//		for s.More('}') {
//			switch string(s.Key()) {
//			case "id":
//				id = s.Text()
//			default:
//				s.Skip()
//			}
//		}
//	}
//	err := s.End()
//
// Every value is read by exactly one call, which passes over it whatever its type is.
package jsonscan
