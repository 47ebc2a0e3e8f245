package overrides_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/overrides"
)

func BenchmarkPlan(b *testing.B) {
	for _, size := range []struct{ services, ports int }{{10, 10}, {200, 1000}} {
		b.Run(fmt.Sprintf("%d services, %d ports", size.services, size.ports), func(b *testing.B) {
			v := variant{dir: filepath.Join(b.TempDir(), "bench")}
			assert.NilError(b, os.Mkdir(v.dir, 0o755))
			assert.NilError(b, os.WriteFile(filepath.Join(v.dir, "compose.yaml"), []byte(manyServices(size.services, size.ports)), 0o644))
			// Compose's own part of the work, to compare with.
			b.Run("find and load", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, err := loadOnly(b.Context(), v)
					assert.NilError(b, err)
				}
			})
			b.Run("all of it", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					k, err := plan(b.Context(), v, "101", &host{}, mutation{}, nil)
					assert.NilError(b, err)
					assert.Equal(b, len(k.leases), size.ports)
				}
			})
			base, err := loadOnly(b.Context(), v)
			assert.NilError(b, err)
			k := &loom{id: "101", base: base}
			in := overrides.Input{Labels: map[string]string{"ai.iloom.loom": "101"}, Subnets: map[string][]netip.Prefix{}}
			assert.NilError(b, k.lease(&host{}, &in))
			in.Leases = k.leases
			b.Run("plan, apply and render", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p, err := base.Project.WithServicesEnabled()
					assert.NilError(b, err)
					edits, _ := overrides.Plan(p, in)
					overrides.Apply(p, edits)
					_, err = overrides.Render(p, "bench/101", edits)
					assert.NilError(b, err)
				}
			})
		})
	}
}

func loadOnly(ctx context.Context, v variant) (*stack.Model, error) {
	f, err := stack.Find(v.source(), ours)
	if err != nil {
		return nil, err
	}
	return new(stack.Stack).Load(ctx, f, "iloom-bench-101", nil)
}

func manyServices(services, ports int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range services {
		fmt.Fprintf(&b, "  s%d:\n    image: app\n    container_name: c%d\n    environment: [A=%d, B=b]\n    volumes: [\"data%d:/data\"]\n    depends_on: [s0]\n    ports:\n", i, i, i, i)
		if i == 0 {
			b.Reset()
			b.WriteString("services:\n  s0:\n    image: app\n    container_name: c0\n    volumes: [\"data0:/data\"]\n    ports:\n")
		}
		for j := range ports / services {
			fmt.Fprintf(&b, "      - \"%d:%d\"\n", 10000+i*(ports/services)+j, 1+j)
		}
	}
	b.WriteString("volumes:\n")
	for i := range services {
		fmt.Fprintf(&b, "  data%d:\n", i)
	}
	return b.String()
}
