package host

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
)

func TestSocketsAreReadFromTheKernelsTables(t *testing.T) {
	t.Parallel()
	list, err := parseSockets(strings.NewReader(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:46A0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:46A0 0100007F:E674 06 00000000:00000000 03:00001739 00000000     0        0 0 3 0
   2: 00000000000000000000000001000000:0050 00000000000000000000000001000000:0051 01 00000000:00000000 03:00001739 00000000     0        0 0 3 0
   3: 0000000000000000FFFF00000100A8C0:0050 0000000000000000FFFF00000200A8C0:0051 08 0:0 0:0 0 0 0 0 0 0
   4: nonsense
`))
	assert.NilError(t, err)
	assert.Equal(t, len(list), 4)
	at := netip.MustParseAddrPort
	assert.Equal(t, list[0], Socket{Local: at("0.0.0.0:18080"), Remote: at("0.0.0.0:0"), Listens: true, inode: "1"})
	assert.Equal(t, list[1], Socket{Local: at("127.0.0.1:18080"), Remote: at("127.0.0.1:58996"), Open: true, inode: "0"})
	assert.Equal(t, list[2], Socket{Local: at("[::1]:80"), Remote: at("[::1]:81"), Open: true, inode: "0"})
	assert.Equal(t, list[3], Socket{Local: at("192.168.0.1:80"), Remote: at("192.168.0.2:81"), inode: "0"})
}

func TestSocketsAreReadFromNetstat(t *testing.T) {
	t.Parallel()
	list, err := parseNetstat(strings.NewReader(`Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  127.0.0.1.8203         127.0.0.1.50512        ESTABLISHED
tcp46      0      0  *.8203                 *.*                    LISTEN
tcp6       0      0  ::1.8203               ::1.50513              TIME_WAIT
tcp4       0      0  127.0.0.1.8203         127.0.0.1.50514        CLOSE_WAIT
udp4       0      0  *.5353                 *.*
  TCP    0.0.0.0:8203           0.0.0.0:0              ABHÖREN
  TCP    [::1]:8203             [::1]:50515            HERGESTELLT
`))
	assert.NilError(t, err)
	at := netip.MustParseAddrPort
	want := []Socket{
		{Local: at("127.0.0.1:8203"), Remote: at("127.0.0.1:50512"), Open: true},
		{Local: at("0.0.0.0:8203"), Remote: at("0.0.0.0:0"), Listens: true},
		{Local: at("[::1]:8203"), Remote: at("[::1]:50513"), Open: true},
		{Local: at("127.0.0.1:8203"), Remote: at("127.0.0.1:50514")},
		{Local: at("0.0.0.0:8203"), Remote: at("0.0.0.0:0"), Listens: true},
		{Local: at("[::1]:8203"), Remote: at("[::1]:50515"), Open: true},
	}
	assert.Assert(t, slices.Equal(list, want), "%v", list)
}
