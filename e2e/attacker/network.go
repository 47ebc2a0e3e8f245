//go:build e2e && linux

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// patience limits the wait for an address that drops packets.
const patience = 4 * time.Second

// dial connects to all of the addresses, and succeeds if one answers.
func dial(args []string) (string, error) {
	return tryAll(args, func(address string) error {
		conn, err := net.DialTimeout("tcp", address, patience)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// udp sends a datagram to each address and waits for an answer. To port 53 it sends a query for example.com.
func udp(args []string) (string, error) { return tryAll(args, datagram) }

// tryAll tries all addresses in parallel, and returns those that it reached.
func tryAll(addresses []string, try func(string) error) (string, error) {
	errs := make([]error, len(addresses))
	var wg sync.WaitGroup
	for i, address := range addresses {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = try(address)
		}()
	}
	wg.Wait()
	var reached []string
	for i, err := range errs {
		if err == nil {
			reached = append(reached, addresses[i])
		}
	}
	if len(reached) == 0 {
		return "", errors.Join(errs...)
	}
	return strings.Join(reached, " "), nil
}

func datagram(address string) error {
	conn, err := net.DialTimeout("udp", address, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	message := []byte("attack")
	if strings.HasSuffix(address, ":53") {
		message = []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01")
	}
	if _, err := conn.Write(message); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 512))
	return err
}

// request sends a GET, through a proxy if one is given: http [-proxy HOST:PORT] [-host NAME] URL. Only 200 is success.
func request(args []string) (string, error) {
	var proxy, host string
	for len(args) > 1 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-proxy":
			proxy = args[1]
		case "-host":
			host = args[1]
		default:
			return "", errUsage
		}
		args = args[2:]
	}
	if len(args) != 1 {
		return "", errUsage
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if proxy != "" {
		transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy})
	}
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	if err != nil {
		return "", errUsage
	}
	req.Host = host
	client := &http.Client{Transport: transport, Timeout: 3 * patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return strings.TrimSpace(string(body)), nil
}

// rawRequest sends bytes to an address, with escaped \r and \n: raw WANT ADDRESS TEXT... It succeeds if WANT is in the answer.
func rawRequest(args []string) (string, error) {
	if len(args) < 3 {
		return "", errUsage
	}
	conn, err := net.DialTimeout("tcp", args[1], patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	unescape := strings.NewReplacer(`\r`, "\r", `\n`, "\n")
	var all strings.Builder
	for _, text := range args[2:] {
		if _, err := io.WriteString(conn, unescape.Replace(text)); err != nil {
			return "", fmt.Errorf("%w after %q", err, all.String())
		}
		// Read to the end, or until the other side waits for more.
		if err := conn.SetReadDeadline(time.Now().Add(patience / 2)); err != nil {
			return "", err
		}
		_, _ = io.Copy(&all, conn)
		if strings.Contains(all.String(), args[0]) {
			return all.String(), nil
		}
	}
	return "", fmt.Errorf("the answer is %q", all.String())
}

// tunnel sends a CONNECT to the proxy and a request by TLS through it: tls PROXY HOST:PORT SNI [HOST-HEADER]. If SNI is -,
// none is sent; if it is plain, TLS is not used. It prints the body.
func tunnel(args []string) (string, error) {
	if len(args) < 3 {
		return "", errUsage
	}
	proxy, target, sni := args[0], args[1], args[2]
	host := target
	if len(args) > 3 {
		host = args[3]
	}
	conn, err := net.DialTimeout("tcp", proxy, patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(3 * patience)); err != nil {
		return "", err
	}
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return "", fmt.Errorf("CONNECT: %s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	stream := conn
	if sni != "plain" {
		name := sni
		if name == "-" {
			name = ""
		}
		client := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true}) //nolint:gosec // the certificate is not what is tested
		if err := client.Handshake(); err != nil {
			return "", fmt.Errorf("TLS: %w", err)
		}
		stream, r = client, bufio.NewReader(client)
	}
	fmt.Fprintf(stream, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	resp, err = http.ReadResponse(r, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return strings.TrimSpace(string(body)), err
}

// resolve resolves names as other programs do.
func resolve(args []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	var all []error
	for _, name := range args {
		found, err := (&net.Resolver{PreferGo: true}).LookupHost(ctx, name)
		if err != nil {
			all = append(all, err)
			continue
		}
		return name + " is " + strings.Join(found, " "), nil
	}
	return "", errors.Join(all...)
}

// ports connects to all TCP ports of a host and returns those that are open but not allowed: ports HOST [ALLOWED...].
func ports(args []string) (string, error) {
	if len(args) < 1 {
		return "", errUsage
	}
	found, err := net.LookupHost(args[0])
	if err != nil {
		return "", err
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		open []string
	)
	next := make(chan int)
	for range 200 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for port := range next {
				conn, err := net.DialTimeout("tcp", net.JoinHostPort(found[0], strconv.Itoa(port)), patience)
				if err != nil {
					continue
				}
				conn.Close()
				if p := strconv.Itoa(port); !slices.Contains(args[1:], p) {
					mu.Lock()
					open = append(open, p)
					mu.Unlock()
				}
			}
		}()
	}
	for port := 1; port < 65536; port++ {
		next <- port
	}
	close(next)
	wg.Wait()
	if len(open) == 0 {
		return "", fmt.Errorf("none is open on %s but %s", found[0], strings.Join(args[1:], " "))
	}
	return args[0] + " has open " + strings.Join(open, " "), nil
}

// localV6 tries the all-nodes group and given addresses over each interface: link-local addresses need no route.
func localV6(args []string) (string, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	var all []error
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			return "", err
		}
		for _, a := range addresses {
			if prefix, ok := a.(*net.IPNet); ok && prefix.IP.To4() == nil {
				return i.Name + " has " + a.String(), nil
			}
		}
		for _, address := range args {
			conn, err := net.DialTimeout("udp6", "["+address+"%"+i.Name+"]:53", patience)
			if err != nil {
				all = append(all, err)
				continue
			}
			_, err = conn.Write([]byte("attack"))
			conn.Close()
			if err == nil {
				return "a datagram left over " + i.Name, nil
			}
			all = append(all, err)
		}
	}
	return "", fmt.Errorf("no interface has an IPv6 address: %w", errors.Join(all...))
}

// serve is the target of attacks: serve ADDRESS NAME answers http, or https if the port is 443. Its answer has the name, the
// Host header and the SNI.
func serve(args []string) (string, error) {
	if len(args) < 2 {
		return "", errUsage
	}
	failed := make(chan error)
	for _, address := range args[:len(args)-1] {
		name := args[len(args)-1]
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sni := ""
			if r.TLS != nil {
				sni = r.TLS.ServerName
			}
			fmt.Fprintf(w, "this is %s, host %s, sni %s\n", name, r.Host, sni)
		})
		server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: time.Minute}
		go func() {
			if !strings.HasSuffix(address, ":443") {
				failed <- server.ListenAndServe()
				return
			}
			certificate, err := selfSigned(name)
			if err != nil {
				failed <- err
				return
			}
			server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
			failed <- server.ListenAndServeTLS("", "")
		}()
	}
	fmt.Fprintln(os.Stderr, "serving")
	return "", <-failed
}

func selfSigned(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
