package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/transport"
)

// steer moves services while the program runs, as the lines of in say, until there are no more. Whoever can write to the
// program's standard input is allowed to: there is no way to it over the network.
func steer(in io.Reader, out io.Writer, sw *transport.Switch) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 0:
		case len(words) == 1 && words[0] == "where":
			for _, service := range contract.Services {
				fmt.Fprintf(out, "%s %s\n", service, sw.Where(service))
			}
		case len(words) == 3 && words[0] == "move":
			service, to := words[1], words[2]
			if to == "here" {
				to = transport.Here
			}
			if err := sw.Move(service, to); err != nil {
				fmt.Fprintln(out, describe(err))
				continue
			}
			fmt.Fprintf(out, "%s is now at %s\n", service, sw.Where(service))
		default:
			fmt.Fprintln(out, "I understand: where; move SERVICE ADDRESS; move SERVICE here")
		}
	}
}
