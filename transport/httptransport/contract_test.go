package httptransport_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

type note2 struct {
	Text string `json:"text"`
	More string `json:"more,omitzero"`
}

type note3 struct {
	Text []string `json:"text"`
}

// counter counts the requests that a client sends.
type counter struct {
	http.RoundTripper
	requests atomic.Int32
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// TestContractsMeetOnce: versions that go together cost one exchange more, once; those that do not, one each time, and no handler is
// called.
func TestContractsMeetOnce(t *testing.T) {
	noLeak(t)
	var calls atomic.Int32
	serveNotes := func(s transport.Server) {
		transport.Op[*note2, *note2]{Name: "test.v"}.Serve(s, func(_ context.Context, n *note2) (*note2, error) { calls.Add(1); return n, nil })
	}
	one := &httptransport.Server{}
	serveNotes(one)
	via := &counter{RoundTripper: &http.Transport{}}
	t.Cleanup(via.RoundTripper.(*http.Transport).CloseIdleConnections)
	client := &httptransport.Client{Address: serve(t, "http", one), Transport: via}
	same := transport.Op[*note2, *note2]{Name: "test.v"}.Dial(client)
	older := transport.Op[*note, *note]{Name: "test.v"}.Dial(client)
	clash := transport.Op[*note3, *note3]{Name: "test.v"}.Dial(client)
	for i, c := range []struct {
		call     func() error
		requests int32
		calls    int32
		kind     genai.Kind
	}{
		{func() error { _, err := same(t.Context(), &note2{}); return err }, 1, 1, ""},
		{func() error { _, err := older(t.Context(), &note{}); return err }, 2, 1, ""},
		{func() error { _, err := older(t.Context(), &note{}); return err }, 1, 1, ""},
		{func() error { _, err := clash(t.Context(), &note3{}); return err }, 1, 0, genai.Precondition},
		{func() error { _, err := clash(t.Context(), &note3{}); return err }, 1, 0, genai.Precondition},
	} {
		via.requests.Store(0)
		calls.Store(0)
		err := c.call()
		if genai.KindOf(err) != c.kind || via.requests.Load() != c.requests || calls.Load() != c.calls {
			t.Errorf("call %d: %d requests, %d handlers, %v", i, via.requests.Load(), calls.Load(), err)
		}
	}
}

// TestContractOnTheWire: who says nothing about contracts is served; who names another one is told ours before the body is read.
func TestContractOnTheWire(t *testing.T) {
	noLeak(t)
	s := &httptransport.Server{}
	echo.Serve(s, func(_ context.Context, n *note) (*note, error) { return n, nil })
	address := serve(t, "http", s)
	post := func(contract string) (int, transport.Problem) {
		r, err := http.NewRequest("POST", address+"/test/echo", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if contract != "" {
			r.Header.Set("Dovetail-Contract", contract)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var p transport.Problem
		_ = json.NewDecoder(resp.Body).Decode(&p) // an answer is no problem
		return resp.StatusCode, p
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	status, p := post("0123456789abcdef")
	if status != 412 || p.Kind != genai.Precondition || !p.Refused || p.Started != genai.StartedNo {
		t.Errorf("got %d, %+v", status, p)
	}
	var described struct{ Op, Fingerprint string }
	if err := json.Unmarshal(p.Contract, &described); err != nil || described.Op != "test.echo" || len(described.Fingerprint) != 16 {
		t.Errorf("the contract is %s, %v", p.Contract, err)
	}
	for _, contract := range []string{"", described.Fingerprint, "0123456789abcdef," + described.Fingerprint} {
		if status, p := post(contract); status != 200 {
			t.Errorf("with %q: %d, %+v", contract, status, p)
		}
	}
}

// TestBadContracts: a server that answers with something else than a contract is not asked again and again.
func TestBadContracts(t *testing.T) {
	fresh := func(contract string) string {
		return respond(412, "application/problem+json", `{"kind":"failed_precondition","refused":true,"contract":`+contract+`}`)
	}
	for name, c := range map[string]struct {
		answer   string
		kind     genai.Kind
		requests int32
	}{
		"none":            {respond(412, "application/problem+json", `{"kind":"failed_precondition"}`), genai.Precondition, 1},
		"no object":       {fresh(`"hello"`), genai.Malformed, 1},
		"no fingerprint":  {fresh(`{"op":"test.echo","request":"#a","response":"#a"}`), genai.Malformed, 1},
		"always the same": {fresh(`{"op":"test.echo","fingerprint":"0123456789abcdef","request":"#a","response":"#a"}`), genai.Precondition, 4},
		"a header":        {fresh(`{"op":"test.echo","fingerprint":"0123456789abcd\r\n","request":"#a","response":"#a"}`), genai.Malformed, 1},
		"huge":            {fresh(`{"op":"` + strings.Repeat("x", 300<<10) + `","fingerprint":"0123456789abcdef","request":"#a","response":"#a"}`), genai.Malformed, 1},
	} {
		t.Run(name, func(t *testing.T) {
			address, requests := raw(t, says(c.answer))
			_, err := echo.Dial(dial(t, address))(t.Context(), &note{})
			if e := genai.AsError(err); e == nil || e.Kind != c.kind || requests.Load() != c.requests {
				t.Errorf("%d requests, %+v", requests.Load(), e)
			}
		})
	}
}
