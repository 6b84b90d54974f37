package main

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dovetail-go/dovetail/examples/supportdesk/contract"
	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// TestServiceDiesUnderLoad kills the ethics check while people ask and others search, and starts it again.
func TestServiceDiesUnderLoad(t *testing.T) {
	services := four(t)
	dial := func(service string) transport.Client {
		c, err := (&httptransport.Remote{}).Dial(services[service].url)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ask := contract.Ask.Dial(dial("desk"))
	search := contract.Search.Dial(dial("retrieval"))
	answer := genai.Whole(contract.Answer.Dial(dial("answers")))

	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var checked, unchecked, unrelated atomic.Int64
	repeat := func(call func() error) {
		load.Go(func() { // waited for below
			for ctx.Err() == nil {
				if err := call(); err != nil && ctx.Err() == nil {
					t.Errorf("a call failed: %v", err)
					return
				}
			}
		})
	}
	for range 4 {
		repeat(func() error {
			stream, err := ask(ctx, &contract.Question{Text: "How do I retry a call?"})
			if err != nil {
				return err
			}
			defer stream.Close()
			notice := ""
			for u, err := range stream.All() {
				if err != nil {
					return err
				}
				notice += u.Notice
			}
			if strings.Contains(notice, "cannot check") {
				unchecked.Add(1)
			} else {
				checked.Add(1)
			}
			return nil
		})
		repeat(func() error {
			_, err := search(ctx, &contract.SearchRequest{Query: "breaker"})
			unrelated.Add(1)
			return err
		})
		repeat(func() error {
			_, err := answer(ctx, &genai.ChatRequest{Messages: []genai.Message{
				genai.System(contract.Instructions(nil)), genai.User("What is a stream?"),
			}})
			unrelated.Add(1)
			return err
		})
	}
	more := func(what string, counter *atomic.Int64) {
		t.Helper()
		from := counter.Load()
		waitFor(t, what, func() bool { return counter.Load() > from+20 })
	}
	more("answers", &checked)
	address := strings.TrimPrefix(services["moderation"].url, "http://")
	services["moderation"].kill()
	more("answers without the check", &unchecked)
	more("calls of the others", &unrelated)
	start(t, "-serve", "moderation", "-listen", address)
	more("answers again", &checked)
	cancel()
	load.Wait()
}
