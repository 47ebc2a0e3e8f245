package compile

import (
	"fmt"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/docker-loom/docker-loom/internal/finding"
)

// requirements compares hostRequirements with the machine. What is not known is taken to be enough.
func (c *compiler) requirements() {
	r := c.Merged.HostRequirements
	if r == nil {
		return
	}
	if have := c.in.Host.CPUs; have > 0 && have < r.CPUs {
		c.find(finding.Warning, fmt.Sprintf("hostRequirements: %d CPUs are wanted, the engine has %d", r.CPUs, have), "")
	}
	for _, size := range []struct {
		name       string
		want, have int64
	}{{"memory", r.Memory, c.in.Host.Memory}, {"storage", r.Storage, c.in.Host.Storage}} {
		if size.have > 0 && size.have < size.want {
			want, have := units.BytesSize(float64(size.want)), units.BytesSize(float64(size.have))
			c.find(finding.Warning,
				fmt.Sprintf("hostRequirements: %s of %s is wanted, the engine has %s", size.name, want, have), "")
		}
	}
}

// gpu gives the container all GPUs if one is asked for and the engine has any.
func (c *compiler) gpu() {
	r := c.Merged.HostRequirements
	if r == nil || r.GPU == nil {
		return
	}
	if !c.in.Host.GPU {
		if !r.GPU.Optional {
			c.find(finding.Warning, "hostRequirements: a GPU is wanted, the engine has none",
				`"gpu": "optional" starts without one`)
		}
		return
	}
	if len(c.Service.Gpus) == 0 {
		c.Service.Gpus = []types.DeviceRequest{{Count: -1}}
	}
}
