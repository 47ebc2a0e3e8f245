package survey

import (
	"testing"

	"github.com/docker-loom/docker-loom/internal/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }
