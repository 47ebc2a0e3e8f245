package endpoint_test

import (
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"pgregory.net/rapid"

	"github.com/docker-loom/docker-loom/internal/endpoint"
)

var moved = endpoint.Moved{
	Ports:   map[int]int{80: 8203, 443: 8566, 1433: 1556, 3000: 3123, 3306: 3429, 5432: 5555, 6379: 6502, 9092: 9215, 9093: 9216, 27017: 27140, 4000: 4000},
	Browser: "123.localhost", Schemes: true,
}

func TestAddressesOfThisHostFollowTheirPort(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		// Programs keep the host name that they have.
		{"localhost:5432", "localhost:5555"},
		{"LocalHost:5432", "LocalHost:5555"},
		{"127.0.0.1:6379", "127.0.0.1:6502"},
		{"[::1]:6379", "[::1]:6502"},
		{"postgres://u:p@localhost:5432/db?sslmode=disable", "postgres://u:p@localhost:5555/db?sslmode=disable"},
		{"postgres://u:p%40s@[::1]:5432/db", "postgres://u:p%40s@[::1]:5555/db"},
		{"postgres://u:p@ss/w#rd$x@127.0.0.1:5432/db", "postgres://u:p@ss/w#rd$x@127.0.0.1:5555/db"},
		{"redis://:6379@localhost:6379/0", "redis://:6379@localhost:6502/0"},
		{"localhost:9092,localhost:9093", "localhost:9215,localhost:9216"},
		{"mongodb://u:p@localhost:27017,localhost:27018/db?replicaSet=a", "mongodb://u:p@localhost:27140,localhost:27018/db?replicaSet=a"},
		{"mongodb://localhost,other/db", "mongodb://localhost:27140,other/db"},
		{"jdbc:postgresql://localhost:5432/db", "jdbc:postgresql://localhost:5555/db"},
		{"u:p@tcp(localhost:3306)/db", "u:p@tcp(localhost:3429)/db"},
		{"host=localhost port=5432 dbname=x", "host=localhost port=5555 dbname=x"},
		{"Server=127.0.0.1;Port=3306;Database=x;Pwd=5432", "Server=127.0.0.1;Port=3429;Database=x;Pwd=5432"},
		{"Server=localhost,1433;Database=x", "Server=localhost,1556;Database=x"},
		{"http://host.docker.internal:3000/x", "http://host.docker.internal:3123/x"},
		// Without a port it is that of the scheme.
		{"postgres://localhost/db", "postgres://localhost:5555/db"},
		{"postgresql+asyncpg://u:p@127.0.0.1/db", "postgresql+asyncpg://u:p@127.0.0.1:5555/db"},
		{"redis://localhost", "redis://localhost:6502"},
		{"https://localhost", "https://123.localhost:8566"},
		{"http://localhost/x", "http://123.localhost:8203/x"},
		// URLs of browsers have the one host name of the pages.
		{"http://localhost:3000", "http://123.localhost:3123"},
		{"http://127.0.0.1:3000/cb?a=b#c", "http://123.localhost:3123/cb?a=b#c"},
		{"ws://[::1]:3000", "ws://123.localhost:3123"},
		{"HTTP://u:p@0.0.0.0:3000", "HTTP://u:p@123.localhost:3123"},
		{"http://localhost:4000", "http://123.localhost:4000"},
		{"http://localhost:3000,http://127.0.0.1:3001", "http://123.localhost:3123,http://127.0.0.1:3001"},
		{"https://id.example.com/?cb=http%3A%2F%2Flocalhost%3A3000%2Fcb&x=1", "https://id.example.com/?cb=http%3A%2F%2F123.localhost%3A3123%2Fcb&x=1"},
		{"https://id.example.com/?cb=http://localhost:3000/cb", "https://id.example.com/?cb=http://123.localhost:3123/cb"},
		{`{"api":"http://localhost:3000","db":"localhost:5432"}`, `{"api":"http://123.localhost:3123","db":"localhost:5555"}`},
		{"http://tenant.localhost:3000", "http://tenant.localhost:3123"},
		// All others stay.
		{"localhost:5433", ""},
		{"localhost:54321", ""},
		{"localhost", ""},
		{"5432", ""},
		{"db:5432", ""},
		{"mylocalhost:5432", ""},
		{"my-localhost:5432", ""},
		{"localhost.example.com:5432", ""},
		{"10.127.0.0.1:5432", ""},
		{"postgres://localhost:5432@db:5432/x", ""},
		{"localhost:5432x", ""},
		{"localhost:4000", ""},
		{"postgres://db/localhost", ""},
		{"file://localhost/x", ""},
		{"postgres://localhost.example.com/db", ""},
		{"http://localhost:3001", ""},
		{"host=db port=5432", ""},
		{"host=localhost port=5433", ""},
		{"host=db port=5432 and host=localhost port=6379", ""},
		{"", ""},
		{"localhost:99999999", ""},
		{"http://", ""},
	} {
		want := c[1]
		if want == "" {
			want = c[0]
		}
		got := moved.Rewrite(c[0], nil)
		assert.Check(t, got == want, "%s: %s", c[0], got)
		assert.Check(t, moved.Rewrite(got, nil) == got, "twice: %s", c[0])
	}
}

func TestAnAddressThatIsKeptStays(t *testing.T) {
	t.Parallel()
	keep := func(host string, port int) bool { return host == "0.0.0.0" && port == 3000 }
	assert.Equal(t, moved.Rewrite("0.0.0.0:3000 0.0.0.0:5432", keep), "0.0.0.0:3000 0.0.0.0:5555")
	found := moved.Find("x http://localhost:3000 127.0.0.1:5432", nil)
	assert.Equal(t, len(found), 2)
	assert.Equal(t, found[0].Text+" "+found[0].New, "localhost:3000 123.localhost:3123")
	assert.Equal(t, found[1].Port+found[1].To, 5432+5555)
	plain := endpoint.Moved{Ports: moved.Ports}
	assert.Equal(t, plain.Rewrite("http://localhost:3000 postgres://localhost/x", nil), "http://localhost:3123 postgres://localhost/x")
}

func TestARemoteEnginesPortsAreOnItsHost(t *testing.T) {
	t.Parallel()
	remote := endpoint.Moved{Ports: moved.Ports, Browser: "fd00::2", Machine: "fd00::2"}
	assert.Equal(t, remote.Rewrite("postgres://127.0.0.1:5432 http://localhost:3000", nil), "postgres://[fd00::2]:5555 http://[fd00::2]:3123")
}

func TestTextsWithoutAnAddressStay(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{"localhost", "127.0.0.1", "[::1]", ":", "5432", "3000", "http", "//", "@", "/", "%3A", "%2F", "=", ",", "port=", "é", "x", " "})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(part).Draw(t, "parts"), "")
		none := endpoint.Moved{Ports: map[int]int{}, Browser: "b", Machine: "m", Schemes: true}
		assert.Equal(t, none.Rewrite(text, nil), text)
		moved.Rewrite(text, nil)
	})
}
