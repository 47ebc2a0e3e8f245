package setup

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/doctor"
	"github.com/docker-loom/docker-loom/internal/finding"
)

func TestADiagnosisIsTold(t *testing.T) {
	t.Parallel()
	d := &doctor.Diagnosis{Docker: doctor.DockerState{SocketConnected: true, Version: "28.5.1", APIVersion: "1.51", Host: "unix:///x", Context: "default", Compose: "2.40.3"}}
	assert.Equal(t, printed(func(w io.Writer) { tellDiagnosis(w, d) }), "engine 28.5.1 (API 1.51) at unix:///x, context default; compose 2.40.3 inside docker loom\nnothing to report\n")
	d = &doctor.Diagnosis{Findings: []finding.Finding{{Level: finding.Error, Subject: "engine", Message: "is away"}}}
	assert.Equal(t, printed(func(w io.Writer) { tellDiagnosis(w, d) }), "error: engine: is away\n")
}

// printed is what f writes, without the blanks that end a table's lines.
func printed(f func(io.Writer)) string {
	var b bytes.Buffer
	f(&b)
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
