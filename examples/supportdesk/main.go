// Command supportdesk answers questions from a user guide. It is four services that run as one process or as several,
// which the flags decide; see README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
	"github.com/dovetail-go/dovetail/transport/inproc"
	"github.com/dovetail-go/dovetail/transport/openapi"
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errFlags):
		os.Exit(2) // package flag has said what is wrong
	default:
		fmt.Fprintln(os.Stderr, "supportdesk:", describe(err))
		os.Exit(1)
	}
}

var errFlags = errors.New("wrong flags")

// defaultListen is where the page is, unless somebody says otherwise. Others on this machine reach it, nobody else does.
const defaultListen = "127.0.0.1:8080"

func run(ctx context.Context, args []string, getenv func(string) string, in io.Reader, out, errs io.Writer) error {
	flags := flag.NewFlagSet("supportdesk", flag.ContinueOnError)
	flags.SetOutput(errs)
	question := flags.String("ask", "", "answer this `question` and end; \"-\" reads one question a line")
	folder := flags.String("knowledge", "", "a `folder` of Markdown files to answer from, instead of the user guide")
	keys := flags.String("keys", "", "a `folder` with keys, by which the services know each other; see -newkeys")
	newKeys := flags.String("newkeys", "", "fill the folder of -keys with new keys for services on these `hosts`, separated by commas, and end")
	insecure := flags.Bool("insecure", false, "allow -listen at an address that other machines reach; whoever reaches it may ask")
	launched := flags.Bool("launch", false, "run each service as a process of its own, on this machine")
	placed := transport.PlacementFlags(flags, getenv, contract.Services...)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errFlags
	}
	if flags.NArg() > 0 {
		return &genai.Error{Kind: genai.InvalidRequest, Message: fmt.Sprintf("%q is no flag; to ask something, use -ask \"...\"", flags.Arg(0))}
	}
	placement, err := placed()
	if err != nil {
		return err
	}
	if *newKeys != "" {
		if *keys == "" {
			return &genai.Error{Kind: genai.InvalidRequest, Field: "-newkeys", Message: "say where the keys are to be, with -keys"}
		}
		return makeKeys(*keys, *newKeys)
	}
	if placement.Listen == "" && placement.Hosts("desk") && *question == "" {
		placement.Listen = defaultListen
	}
	if *launched {
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		var extra []string
		if *folder != "" {
			extra = []string{"-knowledge", *folder}
		}
		if *insecure {
			extra = append(extra, "-insecure")
		}
		return launch(ctx, placement.Listen, *keys, extra, out)
	}

	remote := &httptransport.Remote{Insecure: *insecure}
	if *keys != "" {
		if err := useKeys(remote, *keys, placement); err != nil {
			return err
		}
	}
	door := transport.Remote(remote)
	if placement.Hosts("desk") {
		door = doorway{remote}
	}
	sw := &transport.Switch{
		Placement: placement,
		Local:     &inproc.Network{},
		Remotes:   []transport.Remote{door},
		Listening: func(address string) { listening(out, placement, address) },
	}
	if err := sw.Check(); err != nil {
		return err
	}
	system := system{Switch: sw, knowledge: *folder, getenv: getenv, progress: errs}
	pages, err := system.serve(ctx)
	if err != nil {
		return err
	}
	remote.Pages = &openapi.Document{
		Title:       "Support desk",
		Description: "Answers from a user guide, in parts that run together or apart.",
		Examples: map[string]any{
			contract.Ask.Name:      contract.Question{Text: "What is a handler?"},
			contract.Moderate.Name: genai.ModerationRequest{Text: "My address is ann@example.org."},
			contract.Search.Name:   contract.SearchRequest{Query: "retries"},
		},
		Pages: pages,
	}
	ask := contract.Ask.Dial(sw.As(contract.Person))
	switch *question {
	case "":
		go steer(ctx, in, out, sw) // ends with its input, or with the program
		err := sw.Run(ctx)
		if errors.Is(err, genai.Precondition) {
			return fmt.Errorf("%w; here those are the flags -keys and -insecure", err)
		}
		return err
	case "-":
		return askAll(ctx, ask, in, out)
	}
	return askOne(ctx, ask, *question, out)
}

// listening says what a person does next.
func listening(out io.Writer, placement transport.Placement, address string) {
	if placement.Hosts("desk") {
		fmt.Fprintf(out, "The support desk is at %s\n", address)
		return
	}
	hosted := slices.DeleteFunc(slices.Clone(contract.Services), func(s string) bool { return !placement.Hosts(s) })
	fmt.Fprintf(out, "Serving %v at %s\n", hosted, address)
}

// describe returns an error for a person: what is wrong and where, without the words for programs.
func describe(err error) string {
	e, ok := err.(*genai.Error)
	if !ok || e.Message == "" {
		return err.Error()
	}
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}
