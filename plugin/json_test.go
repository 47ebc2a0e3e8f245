package plugin

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/docker-loom/docker-loom/internal/agent"
	"github.com/docker-loom/docker-loom/internal/image"
	"github.com/docker-loom/docker-loom/internal/inventory"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/doctor"
	"github.com/docker-loom/docker-loom/internal/finding"
	insideloom "github.com/docker-loom/docker-loom/internal/inside"
	"github.com/docker-loom/docker-loom/internal/loom"
	"github.com/docker-loom/docker-loom/internal/plan"
	reportloom "github.com/docker-loom/docker-loom/internal/report"
	"github.com/docker-loom/docker-loom/internal/sandbox"
	setuploom "github.com/docker-loom/docker-loom/internal/setup"
	"github.com/docker-loom/docker-loom/internal/stack"
	"github.com/docker-loom/docker-loom/plugin/agents"
	"github.com/docker-loom/docker-loom/plugin/inside"
	"github.com/docker-loom/docker-loom/plugin/looms"
	"github.com/docker-loom/docker-loom/plugin/setup"
	"github.com/docker-loom/docker-loom/plugin/upkeep"
)

// documents are the types of what is printed, by their headings in docs/reference/json.md.
var documents = map[string]any{
	"Result": loom.Result{}, "Service": loom.Service{}, "Port": loom.Port{}, "Project": reportloom.Project{}, "Project name": reportloom.ProjectName{}, "Finding": finding.Finding{}, "Plan": looms.PlanDocument{}, "Step": plan.Step{},
	"Loom": inventory.Listed{}, "Usage": inventory.Usage{}, "Processes": inside.TopDocument{}, "Container processes": inside.TopContainer{},
	"Remains": loom.Remains{}, "Removal": loom.Removal{}, "Moved": upkeep.Moved{}, "Acted": insideloom.Acted{}, "Trust": loom.Trust{}, "Hold": upkeep.HeldLoom{},
	"Images": insideloom.Images{}, "Image": stack.Built{}, "Setup": setuploom.Setup{}, "Base": setuploom.Base{},
	"Agent image": image.Image{}, "Image plan": agents.ImagePlan{},
	"Features": setuploom.FeatureList{}, "Feature": setuploom.FeatureInfo{}, "Diagnosis": doctor.Diagnosis{}, "Engine state": doctor.DockerState{}, "Sandbox state": doctor.SandboxState{},
	"Sandbox": agent.Sandbox{}, "Decision": agent.Decision{}, "Allowed": agent.Allowed{}, "Access": sandbox.AccessList{}, "File access": sandbox.FileAccess{},
	"Network access": sandbox.NetworkAccess{}, "Service access": sandbox.ServiceAccess{}, "Limits": sandbox.LimitsAccess{},
	"Version": setup.Versions{}, "Engine version": setup.EngineVersion{},
}

var fieldRow = regexp.MustCompile("^\\| `(\\w+)` \\| (.*?) \\|")

// TestTheDocumentedFieldsAreThoseOfTheTypes holds docs/reference/json.md and the code together: every field, whether it may
// be left out, and which document a field has in it.
func TestTheDocumentedFieldsAreThoseOfTheTypes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "reference", "json.md"))
	assert.NilError(t, err)
	said := map[string]map[string]string{}
	heading := ""
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			heading = strings.TrimSpace(name)
			said[heading] = map[string]string{}
		}
		if m := fieldRow.FindStringSubmatch(line); m != nil && heading != "" {
			said[heading][m[1]] = m[2]
		}
	}
	headings := map[reflect.Type]string{}
	for name, v := range documents {
		headings[reflect.TypeOf(v)] = name
	}
	want := map[string]map[string]string{}
	for name, v := range documents {
		want[name] = map[string]string{}
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			tag := f.Tag.Get("json")
			if !f.IsExported() || tag == "-" || f.Anonymous && tag == "" {
				continue
			}
			field, options, _ := strings.Cut(tag, ",")
			assert.Assert(t, field != "", "%s.%s has no name in JSON", name, f.Name)
			want[name][field] = kind(t, headings, f.Type)
			if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
				want[name][field] += ", optional"
			}
		}
	}
	for name := range said {
		for field, what := range said[name] {
			// The value of a bool that is left out where it is false.
			said[name][field] = strings.Replace(what, "true, optional", "bool, optional", 1)
		}
	}
	assert.DeepEqual(t, said, want)
}

// kind is how the document calls a type.
func kind(t *testing.T, headings map[reflect.Type]string, of reflect.Type) string {
	if name := headings[of]; name != "" {
		return "[" + name + "](#" + strings.ReplaceAll(strings.ToLower(name), " ", "-") + ")"
	}
	switch of.String() {
	case "time.Time":
		return "time"
	case "json.RawMessage":
		return "object"
	}
	switch of.Kind() {
	case reflect.Pointer:
		return kind(t, headings, of.Elem()) + " or null"
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Map {
			return "list of objects"
		}
		return "list of " + kind(t, headings, of.Elem())
	case reflect.Map:
		return "object"
	case reflect.String, reflect.Bool:
		return of.Kind().String()
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return "number"
	}
	t.Fatalf("%s has no heading in docs/reference/json.md", of)
	return ""
}
