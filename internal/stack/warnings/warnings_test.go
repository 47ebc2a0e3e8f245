package warnings

import (
	"bytes"
	"testing"

	"github.com/sirupsen/logrus"
	"gotest.tools/v3/assert"
)

func TestComposesWarningsAreFindingsAndComeOnceEach(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetFormatter(&Formatter{})
	for range 3 {
		log.Warn(`The "DB_PASSWORD" variable is not set. Defaulting to a blank string.`)
		log.Warning("/tmp/x/compose.yaml: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion")
		log.Warning("/tmp/y/compose.yaml: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion")
		log.Warnf("Found orphan containers (%s) for this project. If you removed or renamed this service", []string{"shop-old-1", "shop-older-1"})
		log.Warnf("optional dependency %q failed to start: %s", "db", "container shop-db-1 exited (1)")
		log.Warn("Secrets `uid` are not supported.")
		log.Error("Something broke.")
	}
	assert.Equal(t, out.String(), `warning: variable DB_PASSWORD: is not set, and empty in the compose files (set it in .env, or write a default: ${DB_PASSWORD:-value})
warning: file compose.yaml: its attribute version is obsolete and ignored (remove it)
warning: container shop-old-1, shop-older-1: the files have no such service any more (docker loom up with --remove-orphans removes it)
warning: optional dependency: "db" failed to start: container shop-db-1 exited (1)
`+"warning: secrets `uid` are not supported\nerror: something broke\n")
}

func TestLinesForDebuggingAreRepeated(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetLevel(logrus.DebugLevel)
	log.SetFormatter(&Formatter{})
	log.Debug("read compose.yaml")
	log.Debug("read compose.yaml")
	assert.Equal(t, bytes.Count(out.Bytes(), []byte(`level=debug msg="read compose.yaml"`)), 2)
}
