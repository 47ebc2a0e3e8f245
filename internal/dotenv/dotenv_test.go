package dotenv_test

import (
	"testing"

	"gotest.tools/v3/assert"

	"github.com/docker-loom/docker-loom/internal/dotenv"
	"github.com/docker-loom/docker-loom/internal/endpoint"
)

var moved = endpoint.Moved{
	Ports: map[int]int{3000: 3123, 5432: 5555, 6379: 6502}, Browser: "123.localhost", Schemes: true,
}

func read(t *testing.T, texts ...string) dotenv.Values {
	t.Helper()
	v := dotenv.Values{}
	for _, text := range texts {
		assert.NilError(t, v.Read([]byte(text), func(name string) (string, bool) {
			return "shop", name == "FROM_SHELL"
		}))
	}
	return v
}

func TestValuesThatNameAMovedPortFollow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       dotenv.Values
	}{
		{"plain", "DATABASE_URL=postgres://u:p@localhost:5432/db\nNAME=shop\n", dotenv.Values{"DATABASE_URL": "postgres://u:p@localhost:5555/db"}},
		{
			"quoted, exported, commented, CRLF", "export A=\"localhost:5432\" # db\r\nB='localhost:6379'\r\n# C=localhost:6379\r\n",
			dotenv.Values{"A": "localhost:5555", "B": "localhost:6502"},
		},
		{
			"with variables", "P=5432\nDB_HOST=localhost\nURL=postgres://${FROM_SHELL}:$FROM_SHELL@${DB_HOST}:${P}/${NONE:-x}${NONE}\n",
			dotenv.Values{"URL": "postgres://shop:shop@localhost:5555/x"},
		},
		{
			"a password with dollars", "A=postgres://u:pa$$w0rd$5$@localhost:5432/x\nB=\"postgres://u:$ecret@localhost:5432\"\nC='redis://:$$x${y}@localhost'\n",
			dotenv.Values{"A": "postgres://u:pa$$w0rd$5$@localhost:5555/x", "B": "postgres://u:$ecret@localhost:5555", "C": "redis://:$$x${y}@localhost:6502"},
		},
		{"an escaped dollar", `A="postgres://u:\$FROM_SHELL@localhost:5432"`, dotenv.Values{"A": "postgres://u:$FROM_SHELL@localhost:5555"}},
		{
			"a pair", "DB_HOST=127.0.0.1\nDB_PORT=5432\nPGHOST=localhost\nPGPORT=5432\nredis_host=::1\nredis_port=6379\n",
			dotenv.Values{"DB_PORT": "5555", "PGPORT": "5555", "redis_port": "6502"},
		},
		{"a pair of another host", "DB_HOST=db\nDB_PORT=5432\n", dotenv.Values{}},
		{"ports of no pair", "HOST=localhost\nPORT=3000\nDB_PORT=5432\nTIMEOUT_HOST=localhost\nTIMEOUT=3000\n", dotenv.Values{}},
		{"a pair with another port", "DB_HOST=localhost\nDB_PORT=5433\n", dotenv.Values{}},
		{"a page", "API_URL=http://127.0.0.1:3000/api\n", dotenv.Values{"API_URL": "http://123.localhost:3123/api"}},
		{"what tools obey", "DOCKER_HOST=tcp://localhost:3000\nCOMPOSE_X=localhost:3000\nILOOM_X=localhost:3000\na.b=localhost:3000\n", dotenv.Values{}},
		{"several lines", "A=\"x\nlocalhost:5432\"\n", dotenv.Values{"A": "x\nlocalhost:5555"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.DeepEqual(t, read(t, c.text).Moved(moved), c.want)
		})
	}
}

func TestALaterFileIsStronger(t *testing.T) {
	t.Parallel()
	v := read(t, "A=localhost:5432\nPW=one\nDB_HOST=db\nDB_PORT=5432\n", "A=db:5432\nB=redis://:$PW@localhost\nDB_HOST=localhost\n")
	assert.DeepEqual(t, v.Moved(moved), dotenv.Values{"B": "redis://:one@localhost:6502", "DB_PORT": "5555"})
}

func TestARemoteEnginesPairHasItsHost(t *testing.T) {
	t.Parallel()
	remote := moved
	remote.Machine = "build.example.com"
	got := read(t, "DB_HOST=localhost\nDB_PORT=5432\nA=localhost:6379\n").Moved(remote)
	assert.DeepEqual(t, got, dotenv.Values{"DB_HOST": "build.example.com", "DB_PORT": "5555", "A": "build.example.com:6502"})
}

func TestAFileThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	assert.ErrorContains(t, dotenv.Values{}.Read([]byte(`A="`), func(string) (string, bool) { return "", false }), "unterminated")
}
