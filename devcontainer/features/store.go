package features

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/sys/atomicwriter"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Store fetches features and keeps what it fetched, so that the next loom fetches nothing and works without a
// network. Any number of processes may use one folder.
type Store struct {
	// Dir is the folder of the cache.
	Dir string
	// Credential gives the user's credentials for a registry; nil has none.
	Credential auth.CredentialFunc
	// Refresh asks the sources again whatever the cache has.
	Refresh bool
	// GitHubToken is for releases of private repositories; "" asks for public ones.
	GitHubToken string
	// Client is for archives; nil is http.DefaultClient.
	Client *http.Client
	// BeforeFetch is asked before anything is fetched, if it is set: an error refuses.
	BeforeFetch func() error
	// Note is told what the user should know, such as that a registry did not answer and the cache was used; nil is
	// nobody.
	Note func(text string)
}

// fresh is how long a tag is taken to mean what it meant: looms of one day are the same.
const fresh = 24 * time.Hour

// Limits of a feature's archive, and of all that is in it.
const (
	maxArchive = 256 << 20
	maxContent = 1 << 30
)

// FetchError says that a feature could not be had.
type FetchError struct {
	ID ID
	// Offline says that nobody answered: neither a network nor the cache has the feature.
	Offline bool
	Err     error
}

// Error names the feature and where it was looked for.
func (e *FetchError) Error() string {
	return fmt.Sprintf("feature %s: %v", e.ID.Written, e.Err)
}

// NextStep says what the user does next.
func (e *FetchError) NextStep() string {
	if !e.Offline {
		return "" // the registry's answer says what is wrong
	}
	return "nobody answers there: is there a network? What was fetched once is kept and needs none"
}

// Unwrap gives the cause.
func (e *FetchError) Unwrap() error { return e.Err }

// DigestError says that what came is not what was promised.
type DigestError struct{ Want, Got string }

// Error has both digests.
func (e *DigestError) Error() string {
	return fmt.Sprintf("has digest %s, not %s", e.Got, e.Want)
}

// NextStep says what the user does next.
func (*DigestError) NextStep() string {
	return "docker loom features lock writes down what is there now, if that is to be trusted"
}

// pointer is what the cache knows of a tag or address: what it meant, and when it was asked.
type pointer struct {
	Digest string    `json:"digest"` // of the OCI manifest, or of the archive
	Layer  string    `json:"layer"`  // of the archive
	Asked  time.Time `json:"asked"`
}

// kept is a feature that is in the cache.
type kept struct {
	dir string
	pointer
}

// fetch gives the content of a feature that is not a local folder. want is the digest that the lockfile promises, or
// "".
func (s *Store) fetch(ctx context.Context, id ID, want string) (*kept, error) {
	key := id.URL
	if id.Source == SourceOCI {
		if want != "" {
			id.Digest = want
		}
		key = id.reference()
	}
	c, err := s.have(key, id.Digest != "" || want != "")
	if err != nil {
		return nil, err
	}
	if c == nil && s.BeforeFetch != nil {
		if err := s.BeforeFetch(); err != nil {
			return nil, err
		}
	}
	if c == nil {
		if c, err = s.ask(ctx, id, key); err != nil {
			return nil, err
		}
	}
	if want != "" && c.Digest != want {
		return nil, &DigestError{want, c.Digest}
	}
	return c, nil
}

// ask fetches from the source, and falls back on what the cache has of another day.
func (s *Store) ask(ctx context.Context, id ID, key string) (*kept, error) {
	var p pointer
	var archive []byte
	var err error
	switch id.Source {
	case SourceOCI:
		p, archive, err = s.pull(ctx, id)
	case SourceRelease:
		p, archive, err = s.attached(ctx, id)
	default:
		p, archive, err = s.download(ctx, id.URL, nil)
	}
	if err != nil {
		offline := unreachable(err)
		if old, cacheErr := s.have(key, true); offline && cacheErr == nil && old != nil {
			if s.Note != nil {
				s.Note(fmt.Sprintf("feature %s: %v: using what was fetched on %s", id.Written, err, old.Asked.Format("2006-01-02")))
			}
			return old, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &FetchError{ID: id, Offline: offline, Err: err}
	}
	p.Asked = time.Now().UTC()
	if err := s.unpack(p.Layer, archive); err != nil {
		return nil, &FetchError{ID: id, Err: err}
	}
	data, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	path := s.pointerPath(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := atomicwriter.WriteFile(path, data, 0o644); err != nil {
		return nil, err
	}
	return &kept{s.contentPath(p.Layer), p}, nil
}

// have looks into the cache, for an answer of whatever age if old.
func (s *Store) have(key string, old bool) (*kept, error) {
	data, err := os.ReadFile(s.pointerPath(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p pointer
	if json.Unmarshal(data, &p) != nil || !old && (s.Refresh || time.Since(p.Asked) > fresh || time.Since(p.Asked) < 0) {
		return nil, nil // what makes no sense is fetched again
	}
	c := &kept{s.contentPath(p.Layer), p}
	if _, err := os.Stat(c.dir); err != nil {
		return nil, nil //nolint:nilerr // fetched again
	}
	return c, nil
}

func (s *Store) pointerPath(key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(s.Dir, "ids", hex.EncodeToString(sum[:])+".json")
}

func (s *Store) contentPath(layer string) string {
	return filepath.Join(s.Dir, "content", strings.ReplaceAll(layer, ":", "-"))
}

// download fetches an archive.
func (s *Store) download(ctx context.Context, url string, headers http.Header) (pointer, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return pointer{}, nil, err
	}
	maps.Copy(req.Header, headers)
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return pointer{}, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return pointer{}, nil, fmt.Errorf("%s answers %s", url, res.Status)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxArchive+1))
	if err != nil {
		return pointer{}, nil, err
	}
	if len(data) > maxArchive {
		return pointer{}, nil, fmt.Errorf("%s has more than %d MB", url, maxArchive>>20)
	}
	digest := digestOf(data)
	return pointer{Digest: digest, Layer: digest}, data, nil
}

// unpack puts an archive's content into the cache, whole or not at all.
func (s *Store) unpack(layer string, archive []byte) error {
	to := s.contentPath(layer)
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(to), "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := extract(tmp, archive); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.Rename(tmp, to); err != nil {
		if _, there := os.Stat(to); there == nil {
			return nil // another process was quicker
		}
		return err
	}
	return nil
}

// extract unpacks a tar, gzipped or not. os.Root keeps names and links of the archive from leading out of the folder.
func extract(dir string, archive []byte) error {
	var r io.Reader = bytes.NewReader(archive)
	if bytes.HasPrefix(archive, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		r = unzipped
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	left := int64(maxContent)
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if left -= h.Size; left < 0 {
			return fmt.Errorf("more than %d MB", maxContent>>20)
		}
		if err := extractEntry(root, t, h); err != nil {
			return err
		}
	}
}

func extractEntry(root *os.Root, r io.Reader, h *tar.Header) error {
	name := filepath.Clean(filepath.FromSlash(h.Name))
	if name == "." {
		return nil
	}
	mode := fs.FileMode(h.Mode).Perm() //nolint:gosec // Perm cuts it to nine bits
	if h.Typeflag == tar.TypeDir {
		return root.MkdirAll(name, mode|0o700)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode|0o600)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(f, r, h.Size); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	case tar.TypeSymlink:
		// Followed only through the root, and by the build inside its own context.
		return root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return root.Link(filepath.Clean(filepath.FromSlash(h.Linkname)), name)
	}
	return nil // devices and the like are not part of a feature
}
