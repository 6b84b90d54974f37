package peers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/dovetail-go/dovetail/genai"
	"github.com/dovetail-go/dovetail/transport"
	"github.com/dovetail-go/dovetail/transport/httptransport"
)

// What travels: a letter of about 1 KB there and back, a picture of 1 MiB back, and a stream of small pieces, made as fast as they are
// taken. If the order says so, the stream stays open behind its last piece.
type (
	letter struct {
		Text string `json:"text"`
	}
	order struct {
		Pieces int  `json:"pieces"`
		Stay   bool `json:"stay,omitzero"`
	}
	piece struct {
		Text string `json:"text"`
	}
	picture struct {
		Image genai.Blob `json:"image"`
	}
)

const pieceText = "twenty bytes of text"

var (
	wireEcho    = transport.Op[*letter, *letter]{Name: "peers.echo"}
	wireStream  = transport.Op[*order, *genai.Stream[piece]]{Name: "peers.stream"}
	wirePicture = transport.Op[*order, *picture]{Name: "peers.picture"}
	image       = bytes.Repeat([]byte("picture "), 1<<17)
)

// A rival is a way to call another process. A stream is read by calling next until io.EOF, and closed.
type rival struct {
	name    string
	echo    func(ctx context.Context, text string) (string, error)
	picture func(ctx context.Context) ([]byte, error)
	stream  func(ctx context.Context, o *order) (next func() (string, error), stop func(), err error)
}

// wires are where the server process listens.
type wires struct {
	Dovetail, Plain, GRPC string
	pid                   int
}

// serveWires is set in the environment of the process that answers over wires.
const serveWires = "DOVETAIL_PEERS_WIRES"

// TestWireServer is no test: it is the server, in a process of its own.
func TestWireServer(t *testing.T) {
	if os.Getenv(serveWires) == "" {
		t.Skip("it is for the tests and benchmarks over a wire")
	}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	ours, plain, theirs := listen(), listen(), listen()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- dovetailServer().Serve(ctx, ours) }() // waited for at the end
	hs := &http.Server{Handler: plainHandler()}
	go func() { _ = hs.Serve(plain) }() // ends with the process
	gs := grpcServer()
	go func() { _ = gs.Serve(theirs) }() // ends with the process
	text, err := json.Marshal(wires{Dovetail: ours.Addr().String(), Plain: plain.Addr().String(), GRPC: theirs.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(text))
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent has ended
	cancel()
	_ = hs.Close()
	gs.Stop()
	<-ended
}

// startWires starts the server process, which ends with the test.
func startWires(t testing.TB) *wires {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestWireServer$")
	cmd.Env = append(os.Environ(), serveWires+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil { // closed with this process
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	w := &wires{pid: cmd.Process.Pid}
	if err := json.Unmarshal([]byte(line), w); err != nil {
		t.Fatal(err)
	}
	return w
}

// rivals are all ways to reach the server process.
func (w *wires) rivals(t testing.TB) []rival {
	return []rival{w.dovetail(t, "http"), w.dovetail(t, "h2c"), w.plain(t), w.grpc(t)}
}

// supply returns what makes the pieces of an order, and io.EOF behind them.
func supply(ctx context.Context, o *order) func() (piece, error) {
	left := o.Pieces
	return func() (piece, error) {
		if left == 0 {
			if o.Stay {
				<-ctx.Done()
			}
			return piece{}, io.EOF
		}
		left--
		return piece{pieceText}, nil
	}
}

func dovetailServer() *httptransport.Server {
	s := &httptransport.Server{DrainGrace: 1}
	wireEcho.Serve(s, func(_ context.Context, req *letter) (*letter, error) { return req, nil })
	wireStream.Serve(s, func(ctx context.Context, req *order) (*genai.Stream[piece], error) {
		return genai.NewStream(ctx, supply(ctx, req), nil)
	})
	wirePicture.Serve(s, func(context.Context, *order) (*picture, error) {
		return &picture{genai.NewBlob("image/png", image)}, nil
	})
	return s
}

// dovetail is as simple as its users have it.
func (w *wires) dovetail(t testing.TB, scheme string) rival {
	c := &httptransport.Client{Address: scheme + "://" + w.Dovetail}
	t.Cleanup(c.CloseIdleConnections)
	echo, stream, pictures := wireEcho.Dial(c), wireStream.Dial(c), wirePicture.Dial(c)
	name := "dovetail"
	if scheme == "h2c" {
		name = "dovetail-h2c"
	}
	return rival{name,
		func(ctx context.Context, text string) (string, error) {
			resp, err := echo(ctx, &letter{text})
			if err != nil {
				return "", err
			}
			return resp.Text, nil
		},
		func(ctx context.Context) ([]byte, error) {
			resp, err := pictures(ctx, &order{})
			if err != nil {
				return nil, err
			}
			return resp.Image.Bytes(), nil
		},
		func(ctx context.Context, o *order) (func() (string, error), func(), error) {
			s, err := stream(ctx, o)
			if err != nil {
				return nil, nil, err
			}
			return func() (string, error) { p, err := s.Next(); return p.Text, err }, func() { _ = s.Close() }, nil
		},
	}
}

// plainHandler is what a program does with net/http and nothing else: JSON, raw bytes, and events that are flushed one by one.
func plainHandler() http.Handler {
	mux := http.NewServeMux()
	read := func(w http.ResponseWriter, r *http.Request, req any) bool {
		if err := json.NewDecoder(r.Body).Decode(req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return false
		}
		return true
	}
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		req := &letter{}
		if read(w, r, req) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(req)
		}
	})
	mux.HandleFunc("POST /picture", func(w http.ResponseWriter, r *http.Request) {
		if read(w, r, &order{}) {
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Length", fmt.Sprint(len(image)))
			_, _ = w.Write(image)
		}
	})
	mux.HandleFunc("POST /stream", func(w http.ResponseWriter, r *http.Request) {
		req := &order{}
		if !read(w, r, req) {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		next := supply(r.Context(), req)
		for {
			p, err := next()
			if err != nil {
				return
			}
			text, err := json.Marshal(p)
			if err != nil {
				return
			}
			fmt.Fprintf(w, "data: %s\n\n", text)
			_ = rc.Flush()
		}
	})
	return mux
}

func (w *wires) plain(t testing.TB) rival {
	via := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}
	t.Cleanup(via.CloseIdleConnections)
	client := &http.Client{Transport: via}
	post := func(ctx context.Context, path string, v any) (*http.Response, error) {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.Plain+path, bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err == nil && resp.StatusCode != http.StatusOK {
			_ = resp.Body.Close()
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		return resp, err
	}
	return rival{"nethttp",
		func(ctx context.Context, text string) (string, error) {
			resp, err := post(ctx, "/echo", &letter{text})
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			got := &letter{}
			err = json.NewDecoder(resp.Body).Decode(got)
			return got.Text, err
		},
		func(ctx context.Context) ([]byte, error) {
			resp, err := post(ctx, "/picture", &order{})
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			body := make([]byte, resp.ContentLength)
			_, err = io.ReadFull(resp.Body, body)
			return body, err
		},
		func(ctx context.Context, o *order) (func() (string, error), func(), error) {
			ctx, cancel := context.WithCancel(ctx)
			resp, err := post(ctx, "/stream", o)
			if err != nil {
				cancel()
				return nil, nil, err
			}
			lines := bufio.NewScanner(resp.Body)
			return func() (string, error) {
				for lines.Scan() {
					if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); ok {
						var p piece
						err := json.Unmarshal(data, &p)
						return p.Text, err
					}
				}
				if err := lines.Err(); err != nil {
					return "", err
				}
				return "", io.EOF
			}, func() { cancel(); _ = resp.Body.Close() }, nil
		},
	}
}

// jsonCodec lets grpc-go carry the same JSON as the others, and raw bytes as they are.
type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

func (jsonCodec) Marshal(v any) ([]byte, error) {
	if raw, ok := v.(*[]byte); ok {
		return *raw, nil
	}
	return json.Marshal(v)
}

func (jsonCodec) Unmarshal(data []byte, v any) error {
	if raw, ok := v.(*[]byte); ok {
		*raw = data
		return nil
	}
	return json.Unmarshal(data, v)
}

func grpcServer() *grpc.Server {
	s := grpc.NewServer(grpc.ForceServerCodec(jsonCodec{}))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "peers.Peers",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			{MethodName: "Echo", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				req := &letter{}
				return req, decode(req)
			}},
			{MethodName: "Picture", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				return &image, decode(&order{})
			}},
		},
		Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			req := &order{}
			if err := s.RecvMsg(req); err != nil {
				return err
			}
			next := supply(s.Context(), req)
			for {
				p, err := next()
				if err == io.EOF {
					return nil
				}
				if err := s.SendMsg(&p); err != nil {
					return err
				}
			}
		}}},
	}, nil)
	return s
}

func (w *wires) grpc(t testing.TB) rival {
	conn, err := grpc.NewClient("passthrough:///"+w.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(jsonCodec{})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return rival{"grpc",
		func(ctx context.Context, text string) (string, error) {
			got := &letter{}
			err := conn.Invoke(ctx, "/peers.Peers/Echo", &letter{text}, got)
			return got.Text, err
		},
		func(ctx context.Context) (got []byte, _ error) {
			err := conn.Invoke(ctx, "/peers.Peers/Picture", &order{}, &got)
			return got, err
		},
		func(ctx context.Context, o *order) (func() (string, error), func(), error) {
			ctx, cancel := context.WithCancel(ctx)
			s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/peers.Peers/Stream")
			if err == nil {
				err = s.SendMsg(o)
			}
			if err == nil {
				err = s.CloseSend()
			}
			if err != nil {
				cancel()
				return nil, nil, err
			}
			return func() (string, error) { var p piece; err := s.RecvMsg(&p); return p.Text, err }, cancel, nil
		},
	}
}

// readAll reads n pieces and the end behind them.
func (r *rival) readAll(ctx context.Context, n int) error {
	next, stop, err := r.stream(ctx, &order{Pieces: n})
	if err != nil {
		return err
	}
	defer stop()
	for i := 0; ; i++ {
		switch text, err := next(); {
		case err == io.EOF && i == n:
			return nil
		case err != nil:
			return fmt.Errorf("piece %d of %d: %w", i, n, err)
		case text != pieceText:
			return fmt.Errorf("piece %d is %q", i, text)
		}
	}
}

// TestWire: all of them carry what the benchmarks carry.
func TestWire(t *testing.T) {
	for _, r := range startWires(t).rivals(t) {
		t.Run(r.name, func(t *testing.T) {
			text := strings.Repeat("x", 1000)
			if got, err := r.echo(t.Context(), text); err != nil || got != text {
				t.Errorf("got %q, %v", got, err)
			}
			if got, err := r.picture(t.Context()); err != nil || !bytes.Equal(got, image) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if err := r.readAll(t.Context(), 256); err != nil {
				t.Error(err)
			}
			next, stop, err := r.stream(t.Context(), &order{Pieces: 1, Stay: true})
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			if got, err := next(); err != nil || got != pieceText {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
