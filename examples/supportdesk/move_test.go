package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// TestMoveModeration: the ethics check leaves a running desk and comes back, as README.md says, while people ask. Nobody notices.
func TestMoveModeration(t *testing.T) {
	desk := start(t, "-listen", "127.0.0.1:0")
	elsewhere := start(t, "-serve", "moderation", "-listen", "127.0.0.1:0")
	client, err := (&httptransport.Remote{}).Dial(desk.url)
	if err != nil {
		t.Fatal(err)
	}
	ask := contract.Ask.Dial(client)
	ctx, cancel := context.WithCancel(t.Context())
	var people sync.WaitGroup
	var here, there atomic.Int64
	for range 4 {
		people.Go(func() { // waited for below
			for ctx.Err() == nil {
				stream, err := ask(ctx, &contract.Question{Text: "What is a handler? I am ann@example.org"})
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("a question failed: %v", err)
					}
					return
				}
				notice, text := "", ""
				for u, err := range stream.All() {
					if err != nil && ctx.Err() == nil {
						t.Errorf("an answer failed: %v", err)
					}
					notice += u.Notice
					text += u.Text
					if u.Event != nil && u.Event.Service == "moderation" {
						if u.Event.Transport == "inproc" {
							here.Add(1)
						} else {
							there.Add(1)
						}
					}
				}
				if ctx.Err() == nil && (!strings.Contains(notice, "I took out e-mail addresses") || text == "") {
					t.Errorf("an answer is not as it was: %q, %q", notice, text)
				}
			}
		})
	}
	more := func(what string, counter *atomic.Int64) {
		t.Helper()
		from := counter.Load()
		waitFor(t, what, func() bool { return counter.Load() > from+20 })
	}
	say := func(line, answer string) {
		t.Helper()
		fmt.Fprintln(desk.stdin, line)
		waitFor(t, answer, func() bool { return strings.Contains(desk.log.String(), answer) })
	}
	more("checks here", &here)
	say("move moderation "+elsewhere.url, "moderation is now at "+elsewhere.url)
	more("checks there", &there)
	say("where", "moderation "+elsewhere.url+"\nretrieval inproc")
	say("move moderation here", "moderation is now at inproc")
	elsewhere.stop() // and what it still does is done to its end
	more("checks here again", &here)
	say("move moderation nowhere", "nowhere")
	say("hello", "I understand:\n  where")
	cancel()
	people.Wait()
}
