package overrides_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/overrides"
)

// mutation spoils what a plan makes. The zero value spoils nothing.
type mutation struct {
	edits    func([]overrides.Edit) []overrides.Edit
	input    func(*overrides.Input)
	override func([]byte) []byte
	block    func([]overrides.Var) []overrides.Var

	followAll   bool // every variable of a port is moved, whatever else it does
	loadOnce    bool // the files are not loaded again with the variables moved
	ignoreBlock bool // what the block gives to services is not known in memory
}

// A gate that sees nothing proves nothing: each of these takes one thing away from the plan, and the trap named with it
// must show that.
func TestTheGateCatchesEveryMutation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, trap string
		m          mutation
	}{
		{"ports stay", "literal-ports", drop("Publish", nil)},
		{"ports are appended, not replaced", "literal-ports", untag("ports")},
		{"ports of disabled services stay", "profiles", drop("Publish", func(e overrides.Edit) bool { return e.(overrides.Publish).Service == "debug" })},
		{"ports are left to the variables", "port-variable-of-theirs", mutation{input: func(in *overrides.Input) { in.Ports = nil }}},
		{"ports lose what Compose says of them", "port-forms", each(func(e overrides.Publish) overrides.Edit {
			is := slices.Clone(e.Is)
			for i := range is {
				is[i].AppProtocol, is[i].Name, is[i].Extensions = "", "", nil
			}
			e.Is = is
			return e
		})},
		{"ports lose their address", "port-forms", each(func(e overrides.Publish) overrides.Edit {
			is := slices.Clone(e.Is)
			for i := range is {
				is[i].HostIP = ""
			}
			e.Is = is
			return e
		})},
		{"container names stay", "container-names", drop("ContainerName", nil)},
		{"container names are not aliases", "container-names", each(func(e overrides.ContainerName) overrides.Edit {
			e.Networks = nil
			return e
		})},
		{"container names are aliases on shared networks", "container-names", each(func(e overrides.ContainerName) overrides.Edit {
			if e.Service == "shared" {
				e.Networks = append(slices.Clone(e.Networks), "outside")
			}
			return e
		})},
		{"references to containers stay", "container-names", drop("NetworkMode|Refers", nil)},
		{"networks keep their names", "fixed-names", drop("Name", func(e overrides.Edit) bool { return e.(overrides.Name).Kind == "networks" })},
		{"volumes keep their names", "fixed-names", drop("Name", func(e overrides.Edit) bool { return e.(overrides.Name).Kind == "volumes" })},
		{"networks stay external on disk", "fixed-names", mutation{override: without(`    external: false\n`)}},
		{"external networks are shared", "fixed-names", drop("Name", func(e overrides.Edit) bool { return e.(overrides.Name).External })},
		{"services have no labels", "literal-ports", unlabel("services")},
		{"networks have no labels", "literal-ports", unlabel("networks")},
		{"volumes have no labels", "fixed-names", unlabel("volumes")},
		{"labels are in memory only", "literal-ports", mutation{override: without(`      ai\.iloom\.loom: .*\n`)}},
		{"networks have no subnets", "literal-ports", drop("Subnets", nil)},
		{"two pools are merged", "subnets", untag("config")},
		{"addresses stay", "subnets", drop("Address", nil)},
		{"addresses that others know stay in memory only", "subnets", mutation{override: without(`      - a=10\..*\n`)}},
		{"addresses of disabled services stay", "subnets", drop("Address", func(e overrides.Edit) bool { return e.(overrides.Address).Service == "off" })},
		{"host parts change", "subnets", each(func(e overrides.Address) overrides.Edit {
			if e.IPv4 != "" {
				e.IPv4 = e.IPv4[:strings.LastIndexByte(e.IPv4, '.')] + ".99"
			}
			return e
		})},
		{"a sibling's image is not found", "built-on-a-sibling", drop("Contexts", nil)},
		{"built images keep their tags", "images", drop("Built", nil)},
		{"extra tags stay", "images", each(func(e overrides.Built) overrides.Edit {
			e.Tags = false
			return e
		})},
		{"followers run the old image", "images", drop("Follows", nil)},
		{"followers are pulled", "images", mutation{override: without(`    pull_policy: never\n`)}},
		{"dollars are not doubled", "dollars", mutation{override: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("$$"), []byte("$")) }}},
		{"the override has no name", "literal-ports", mutation{override: without(`name: iloom.*\n`)}},
		{"the block has no project name", "literal-ports", unset("COMPOSE_PROJECT_NAME")},
		{"the block has no loom", "port-variable-of-ours", unset("ILOOM_LOOM")},
		{"the block has no variable of theirs", "port-variable-of-theirs", unset("WEB_PORT")},
		{"the block has no variable of a literal port", "port-variable-of-ours", unset("ILOOM_PORT_API")},
		{"the block does not name the override", "compose-file-variable", unset("COMPOSE_FILE")},
		{"the block does not name the override beside one of theirs", "override-of-their-own", unset("COMPOSE_FILE")},
		{"a variable moves inside the network", "variable-inside-the-network", mutation{followAll: true}},
		{"a variable moves inside the container", "variable-on-both-sides", mutation{followAll: true}},
		{"a variable moves that is passed through", "variable-passed-through", mutation{followAll: true}},
		{"a variable moves in an env_file", "variable-in-env-file", mutation{followAll: true}},
		{"a variable moves that reaches a container through .env", "env-file-is-dotenv", mutation{followAll: true}},
		{"URLs stay in memory", "port-variable-of-theirs", mutation{loadOnce: true}},
		{"URLs of literal ports stay in memory", "port-variable-of-ours", mutation{loadOnce: true}},
		{"rewritten URLs are in memory only", "localhost-rewritten", mutation{override: without(`      URL: .*\n`)}},
		{"the block's variables are not seen in memory", "env-file-is-dotenv", mutation{ignoreBlock: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// The folder's name is Compose's name for the project.
			dir := filepath.Join(t.TempDir(), test.trap)
			copyTrap(t, test.trap, dir)
			var problems []string
			for _, v := range trapVariants(t, dir) {
				r := gate(t.Context(), v, mutantLooms, test.m)
				assert.NilError(t, r.err)
				problems = append(problems, r.problems...)
			}
			assert.Assert(t, len(problems) > 0, "the gate did not see it")
			t.Log(problems[0])
		})
	}
}

// drop takes away the edits of the types named (a pattern) for which which is true; nil is all of them.
func drop(typ string, which func(overrides.Edit) bool) mutation {
	name := regexp.MustCompile(`^overrides\.(?:` + typ + `)$`)
	return mutation{edits: func(edits []overrides.Edit) []overrides.Edit {
		return slices.DeleteFunc(edits, func(e overrides.Edit) bool {
			return name.MatchString(fmt.Sprintf("%T", e)) && (which == nil || which(e))
		})
	}}
}

// each changes the edits of one type.
func each[E overrides.Edit](change func(E) overrides.Edit) mutation {
	return mutation{edits: func(edits []overrides.Edit) []overrides.Edit {
		for i, e := range edits {
			if e, ok := e.(E); ok {
				edits[i] = change(e)
			}
		}
		return edits
	}}
}

func unlabel(kind string) mutation {
	return drop("Labels", func(e overrides.Edit) bool { return e.(overrides.Labels).Kind == kind })
}

// untag lets Compose merge what the override replaces.
func untag(key string) mutation {
	return mutation{override: func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte(key+": !override"), []byte(key+":"))
	}}
}

func without(pattern string) func([]byte) []byte {
	lines := regexp.MustCompile(`(?m)^` + pattern)
	return func(b []byte) []byte { return lines.ReplaceAll(b, nil) }
}

func unset(name string) mutation {
	return mutation{block: func(vars []overrides.Var) []overrides.Var {
		return slices.DeleteFunc(vars, func(v overrides.Var) bool { return v.Name == name })
	}}
}
