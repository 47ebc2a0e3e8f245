//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
)

// cmdOCIRegistry starts Debian's docker-registry on a port of its own, $OCI: oci-registry. Without the program the script
// fails, it is never skipped; with-engine brings it.
func cmdOCIRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: oci-registry")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	address := l.Addr().String()
	ts.Check(l.Close())
	config := filepath.Join(ts.Getenv("WORK"), "oci.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n", ts.Getenv("WORK")+"/oci", address)
	ts.Check(os.WriteFile(config, []byte(text), 0o644))
	cmd := exec.Command("docker-registry", "serve", config)
	ts.Check(cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }
	ts.Defer(stop)
	ts.Value(stateKey).(*state).listeners["oci"] = stop
	for deadline := time.Now().Add(20 * time.Second); ; {
		res, err := http.Get("http://" + address + "/v2/")
		if err == nil {
			res.Body.Close()
			break
		}
		select {
		case <-ended:
			ts.Fatalf("docker-registry ended")
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			ts.Fatalf("docker-registry: %v", err)
		}
	}
	// The reference CLI speaks plain HTTP to this name only.
	_, port, err := net.SplitHostPort(address)
	ts.Check(err)
	ts.Setenv("OCI", "localhost:"+port)
}

// cmdOCIStop ends the registry: oci-stop.
func cmdOCIStop(ts *testscript.TestScript, neg bool, _ []string) {
	if neg {
		ts.Fatalf("usage: oci-stop")
	}
	ts.Value(stateKey).(*state).listeners["oci"]()
}

// cmdPublish pushes the feature in a folder as the dev container specification's distribution says, with the tags 1.2.3,
// 1.2, 1 and latest: publish FOLDER NAMESPACE.
func cmdPublish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: publish FOLDER NAMESPACE")
	}
	dir := ts.MkAbs(args[0])
	text, err := os.ReadFile(filepath.Join(dir, "devcontainer-feature.json"))
	ts.Check(err)
	var m struct{ ID, Version string }
	ts.Check(json.Unmarshal(text, &m))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	store := memory.New()
	layer, err := oras.PushBytes(ctx, store, "application/vnd.devcontainers.layer.v1+tar", packed(ts, dir, false))
	ts.Check(err)
	layer.Annotations = map[string]string{ocispec.AnnotationTitle: "devcontainer-feature-" + m.ID + ".tgz"}
	config, err := oras.PushBytes(ctx, store, "application/vnd.devcontainers", []byte("{}"))
	ts.Check(err)
	root, err := oras.PackManifest(ctx, store, oras.PackManifestVersion1_1, "", oras.PackManifestOptions{
		ConfigDescriptor: &config, Layers: []ocispec.Descriptor{layer},
		ManifestAnnotations: map[string]string{"dev.containers.metadata": string(text)},
	})
	ts.Check(err)
	repo, err := remote.NewRepository(ts.Getenv("OCI") + "/" + args[1] + "/" + m.ID)
	ts.Check(err)
	repo.PlainHTTP = true
	ts.Check(oras.CopyGraph(ctx, store, repo, root, oras.DefaultCopyGraphOptions))
	parts := strings.Split(m.Version, ".")
	for _, tag := range []string{m.Version, strings.Join(parts[:2], "."), parts[0], "latest"} {
		ts.Check(repo.Tag(ctx, root, tag))
	}
}

// cmdTarballs serves the features in folders as archives, at $WEB/devcontainer-feature-NAME.tgz, over HTTPS with a
// certificate that the script's programs trust: tarballs FOLDER...
func cmdTarballs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: tarballs FOLDER...")
	}
	mux := http.NewServeMux()
	for _, arg := range args {
		dir := ts.MkAbs(arg)
		data := packed(ts, dir, true)
		mux.HandleFunc("/devcontainer-feature-"+filepath.Base(dir)+".tgz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
	}
	s := httptest.NewTLSServer(mux)
	ts.Defer(s.Close)
	certificate := filepath.Join(ts.Getenv("WORK"), "web.pem")
	ts.Check(os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644))
	ts.Setenv("SSL_CERT_FILE", certificate)
	ts.Setenv("NODE_EXTRA_CA_CERTS", certificate)
	ts.Setenv("WEB", s.URL)
}

// packed is a folder as a tar, its files at the top.
func packed(ts *testscript.TestScript, dir string, zipped bool) []byte {
	var b bytes.Buffer
	var out io.Writer = &b
	z := gzip.NewWriter(&b)
	if zipped {
		out = z
	}
	w := tar.NewWriter(out)
	ts.Check(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: "./" + filepath.ToSlash(rel), Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}))
	ts.Check(w.Close())
	if zipped {
		ts.Check(z.Close())
	}
	return b.Bytes()
}
