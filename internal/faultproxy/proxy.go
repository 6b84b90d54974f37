package faultproxy

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// A Proxy passes on what clients and a server send each other. Set the fields before Listen. It is safe for concurrent use.
type Proxy struct {
	// To is where the server is: "host:port".
	To string

	// Fault says what becomes of a connection, by its number from 0; nil means nothing.
	Fault func(n int) Fault

	up, down atomic.Int64
	running  sync.WaitGroup
	listener net.Listener

	mu      sync.Mutex // guards what follows
	n       int
	open    map[net.Conn]struct{}
	healed  bool
	release chan struct{} // closed with that
	broke   bool
	broken  chan struct{} // closed with that
	closed  bool
}

// Listen takes connections at a free port of this machine until Close, and returns its address, "host:port".
func (p *Proxy) Listen() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	p.listener, p.open, p.release, p.broken = l, map[net.Conn]struct{}{}, make(chan struct{}), make(chan struct{})
	p.running.Go(p.accept) // Close waits for it
	return l.Addr().String(), nil
}

// Close ends all connections, and returns when nothing is left.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.Heal()
	p.mu.Lock()
	p.closed = true
	for conn := range p.open {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
	return err
}

// Heal lets what stalls go on, and nothing breaks any more. What is broken stays so.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.healed {
		p.healed = true
		close(p.release)
	}
}

// Broken returns a channel that is closed when a fault has begun. It can be called after Listen.
func (p *Proxy) Broken() <-chan struct{} { return p.broken }

// Passed returns how many bytes of clients, and of the server, were passed on.
func (p *Proxy) Passed() (up, down int64) { return p.up.Load(), p.down.Load() }

// Connections returns how many connections clients have made.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.To)
		if err != nil {
			reset(client) // nobody is there
			continue
		}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			_, _ = client.Close(), server.Close()
			return
		}
		var fault Fault
		if p.Fault != nil {
			fault = p.Fault(p.n)
		}
		p.n++
		p.open[client], p.open[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		p.running.Go(func() { p.connect(client, server, fault) }) // Close waits for it
	}
}

// connect passes on what two connections send, until both have ended.
func (p *Proxy) connect(client, server net.Conn, fault Fault) {
	defer p.forget(client, server)
	var both sync.WaitGroup
	both.Go(func() { p.flow(server, client, fault.Up, &p.up) })     // waited for below
	both.Go(func() { p.flow(client, server, fault.Down, &p.down) }) // and this
	both.Wait()
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(p.open, conn)
	}
}

// flow passes on what comes from one connection to the other.
func (p *Proxy) flow(to, from net.Conn, f Flow, passed *atomic.Int64) {
	buffer := make([]byte, 32<<10)
	left := f.After
	for {
		if f.How != "" && left == 0 {
			if over := p.breaks(to, from, f.How); over {
				return
			}
			f.How = ""
		}
		room := buffer
		if f.How != "" && left < int64(len(room)) {
			room = room[:left]
		}
		n, err := from.Read(room)
		if n > 0 {
			left -= int64(n)
			if !send(to, room[:n], f.Slice) {
				_ = from.Close() // whoever sends is told at its next byte
				return
			}
			passed.Add(int64(n))
		}
		if err != nil {
			end(to, err)
			return
		}
	}
}

// send writes data in slices of a size.
func send(to net.Conn, data []byte, size int) bool {
	if size <= 0 {
		size = len(data)
	}
	for len(data) > 0 {
		n := min(size, len(data))
		if _, err := to.Write(data[:n]); err != nil {
			return false
		}
		data = data[n:]
	}
	return true
}

// end passes on how a connection has ended.
func end(to net.Conn, err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	if _, lost := errors.AsType[*net.OpError](err); lost {
		reset(to)
		return
	}
	_ = to.(*net.TCPConn).CloseWrite()
}

// breaks does what shall happen, and reports whether this direction is over.
func (p *Proxy) breaks(to, from net.Conn, how How) (over bool) {
	if !p.begin() {
		return false
	}
	switch how {
	case Reset:
		reset(to)
		reset(from)
	case End:
		_ = to.Close()
		_ = from.Close()
	case Half:
		_ = to.(*net.TCPConn).CloseWrite()
		_, _ = from.Read(make([]byte, 1)) // the sender is not told; it sees its own end, or that of the other direction
	case Stall:
		<-p.release
		return false
	}
	return true
}

// begin notes that a fault begins, and reports whether it does.
func (p *Proxy) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.healed {
		return false
	}
	if !p.broke {
		p.broke = true
		close(p.broken)
	}
	return true
}

func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}
