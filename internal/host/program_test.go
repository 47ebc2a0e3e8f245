package host

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestAProgramIsNamedByThePortThatItListensOn(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		assert.Equal(t, This().Program("tcp", 1), "")
		return
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NilError(t, err)
	port := tcp.Addr().(*net.TCPAddr).Port
	self := fmt.Sprintf(" (%d)", os.Getpid())
	assert.Assert(t, strings.HasSuffix(This().Program("tcp", port), self), This().Program("tcp", port))
	assert.NilError(t, tcp.Close())
	assert.Equal(t, This().Program("tcp", port), "")

	udp, err := net.ListenPacket("udp", "[::1]:0")
	assert.NilError(t, err)
	defer udp.Close()
	port = udp.LocalAddr().(*net.UDPAddr).Port
	assert.Assert(t, strings.HasSuffix(This().Program("udp", port), self))
	assert.Equal(t, This().Program("../../etc/passwd", port), "")
}
