package devcontainer

import (
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"strconv"

	"github.com/docker-loom/docker-loom/internal/jsonc"
)

var size = regexp.MustCompile(`^([0-9]+)([tgmk]b)?$`)

// ParseSize reads a size as hostRequirements have it, "8gb" or "1024"; units are powers of 1024. The result is in
// bytes.
func ParseSize(s string) (int64, error) {
	m := size.FindStringSubmatch(s)
	if m == nil {
		return 0, errors.New(jsonc.Quote(s) + " is not a size: a number, with tb, gb, mb or kb after it or nothing")
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	factor := map[string]int64{"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}[m[2]]
	if err != nil || n > math.MaxInt64/factor {
		return 0, errors.New(jsonc.Quote(s) + " is too large a size")
	}
	return n * factor, nil
}

func (d *decoder) size(n *jsonc.Node) int64 {
	if n == nil {
		return 0
	}
	if n.Kind != '"' && n.Kind != '0' {
		d.Fail(n, "%s is not a size", n.Show())
		return 0
	}
	bytes, err := ParseSize(n.Text)
	if err != nil && !d.open(n.Text) {
		d.Fail(n, "%w", err)
	}
	return bytes
}

func (d *decoder) hostRequirements(n *jsonc.Node) *HostRequirements {
	if n == nil {
		return nil
	}
	d.Object(n)
	return &HostRequirements{
		CPUs:    d.Number(n.Get("cpus"), 0, math.MaxInt32, "number of CPUs"),
		Memory:  d.size(n.Get("memory")),
		Storage: d.size(n.Get("storage")),
		GPU:     d.gpu(n.Get("gpu")),
	}
}

func (d *decoder) gpu(n *jsonc.Node) *GPU {
	switch {
	case n == nil || n.Kind == 'f':
		return nil
	case n.Kind == 't':
		return &GPU{}
	case n.Kind == '"' && n.Text == "optional":
		return &GPU{Optional: true}
	case n.Kind == '{':
		return &GPU{
			Cores:   d.Number(n.Get("cores"), 0, math.MaxInt32, "number of cores"),
			Memory:  d.size(n.Get("memory")),
			written: n,
		}
	}
	d.Fail(n, `must be true, false, "optional" or an object, not %s`, n.Show())
	return nil
}

// MarshalJSON writes sizes as the reference CLI does in a merged configuration: strings of bytes.
func (r HostRequirements) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		CPUs    int    `json:"cpus"`
		Memory  string `json:"memory,omitempty"`
		Storage string `json:"storage,omitempty"`
		GPU     *GPU   `json:"gpu,omitempty"`
	}{r.CPUs, bytesText(r.Memory), bytesText(r.Storage), r.GPU})
}

// MarshalJSON writes true, "optional", or an object; one that was read as it was.
func (g GPU) MarshalJSON() ([]byte, error) {
	switch {
	case g.Optional:
		return []byte(`"optional"`), nil
	case g.written != nil:
		return g.written.JSON(), nil
	case g.Cores == 0 && g.Memory == 0:
		return []byte("true"), nil
	}
	return json.Marshal(struct {
		Cores  int    `json:"cores,omitempty"`
		Memory string `json:"memory,omitempty"`
	}{g.Cores, bytesText(g.Memory)})
}

func bytesText(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// mergeRequirements takes the most of everything; nil where nobody asks for anything.
func mergeRequirements(entries []Metadata) *HostRequirements {
	var out HostRequirements
	for _, e := range entries {
		if r := e.HostRequirements; r != nil {
			out.CPUs = max(out.CPUs, r.CPUs)
			out.Memory = max(out.Memory, r.Memory)
			out.Storage = max(out.Storage, r.Storage)
			out.GPU = mergeGPU(out.GPU, r.GPU)
		}
	}
	if out == (HostRequirements{}) {
		return nil
	}
	return &out
}

// mergeGPU is optional only if both are. Of true and true the reference CLI makes {}, which says the same as true.
func mergeGPU(a, b *GPU) *GPU {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &GPU{Optional: a.Optional && b.Optional, Cores: max(a.Cores, b.Cores), Memory: max(a.Memory, b.Memory)}
}
