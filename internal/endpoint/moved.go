package endpoint

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Moved says where published ports of this host went. It finds texts that name them, and names them as they are now.
type Moved struct {
	// Ports has the host port of each base. A port that stays has itself.
	Ports map[int]int
	// Browser is the host name that the loom's pages have. URLs that browsers use get it; "" keeps what the text has.
	Browser string
	// Machine is the host of a remote engine, for all other addresses; "" keeps what the text has.
	Machine string
	// Schemes lets a URL without a port mean the usual port of its scheme.
	Schemes bool
}

// Address is a place in a text that names a published port of this host.
type Address struct {
	// Text is the address as it is, New as it has to be. Port is what it names, To the host port.
	Text, New string
	Port, To  int

	at int
}

// hosts are the names of this host in texts, with the port behind it. In a query the separator may be escaped.
var hosts = regexp.MustCompile(
	`(?i)(localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0|host\.docker\.internal)(?:(:|%3A)(\d{1,5}))?`)

// Find lists the addresses in a text that are not as they have to be. It skips those that keep reports; nil keeps none.
func (m Moved) Find(text string, keep func(host string, port int) bool) []Address {
	var list []Address
	add := func(host string, a Address) {
		to, known := m.Ports[a.Port]
		if !known || keep != nil && keep(host, a.Port) {
			return
		}
		a.To = to
		if a.New += strconv.Itoa(to); a.New != a.Text {
			list = append(list, a)
		}
	}
	for _, at := range hosts.FindAllStringSubmatchIndex(text, -1) {
		host := strings.ToLower(text[at[2]:at[3]])
		below, ok := startsHost(text[:at[0]], host)
		if !ok {
			continue
		}
		a, scheme := Address{Text: text[at[0]:at[1]], at: at[0]}, schemeBefore(text[:at[0]])
		separator := ":"
		if at[4] >= 0 {
			separator = text[at[4]:at[5]]
			a.Port, _ = strconv.Atoi(text[at[6]:at[7]])
			if !endsPort(text[at[1]:]) {
				continue
			}
		} else if a.Port = usualPorts[scheme]; !m.Schemes || a.Port == 0 || !endsHost(text[at[1]:]) {
			continue
		}
		a.New = m.host(text[at[2]:at[3]], scheme, below) + separator
		add(host, a)
	}
	if len(list) == 0 {
		for _, a := range keyed(text) {
			add("localhost", a)
		}
	}
	return list
}

// Rewrite returns the text with each address that Find lists as it has to be.
func (m Moved) Rewrite(text string, keep func(host string, port int) bool) string {
	for _, a := range slices.Backward(m.Find(text, keep)) {
		text = text[:a.at] + a.New + text[a.at+len(a.Text):]
	}
	return text
}

// host is the host name that an address gets. Pages have one host name, however their URL was written: browsers keep
// cookies by it. A name below localhost is the user's own.
func (m Moved) host(host, scheme string, below bool) string {
	to := host
	switch {
	case below || strings.EqualFold(host, "host.docker.internal"):
	case isWeb[scheme] && m.Browser != "":
		to = m.Browser
	case m.Machine != "":
		to = m.Machine
	}
	if strings.Contains(to, ":") && !strings.HasPrefix(to, "[") {
		return "[" + to + "]"
	}
	return to
}

// isWeb has the schemes of URLs that browsers use.
var isWeb = map[string]bool{"http": true, "https": true, "ws": true, "wss": true}

// usualPorts are the ports of URLs that name none.
var usualPorts = map[string]int{
	"http": 80, "ws": 80, "https": 443, "wss": 443,
	"postgres": 5432, "postgresql": 5432, "mysql": 3306, "mysql2": 3306, "mariadb": 3306, "sqlserver": 1433, "mssql": 1433,
	"redis": 6379, "rediss": 6379, "valkey": 6379, "mongodb": 27017, "memcached": 11211, "amqp": 5672, "amqps": 5671,
	"nats": 4222, "mqtt": 1883, "bolt": 7687, "neo4j": 7687, "smtp": 25, "smtps": 465, "ldap": 389, "ldaps": 636,
}

// startsHost reports whether a host name begins behind the text, not a longer word. below says that it is the end of a
// name below localhost.
func startsHost(before, host string) (below, ok bool) {
	if before == "" || escapedEnd.MatchString(before) {
		return false, true
	}
	last := before[len(before)-1]
	if last == '.' {
		return true, host == "localhost"
	}
	return false, last != '-' && last != '_' && !isAlphanumeric(last)
}

// escapedEnd is an escaped sign of a URL's that can stand before a host: / @ = , " or a space.
var escapedEnd = regexp.MustCompile(`(?i)%(?:2F|40|3D|2C|22|20)$`)

// endsPort reports whether the number before the text is whole, and no password.
func endsPort(after string) bool {
	if after == "" {
		return true
	}
	return after[0] != '@' && after[0] != '_' && !isAlphanumeric(after[0])
}

// endsHost reports whether a host without a port ends before the text.
func endsHost(after string) bool {
	return after == "" || strings.ContainsRune("/?#,;&\"'`)]}> \t\r\n", rune(after[0])) ||
		strings.HasPrefix(strings.ToUpper(after), "%2F")
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

var (
	schemeEnd   = regexp.MustCompile(`(?i)([a-z][a-z0-9]*)(?:\+[a-z0-9]+)?(?::|%3A)$`)
	userAtEnd   = regexp.MustCompile(`^(?:[^/?#\s"'<>|]*@)?$`)
	hostsBefore = regexp.MustCompile(`^[^/?#\s"'<>|]*[@,]$`)
)

// schemeBefore is the scheme of the URL whose host begins behind the text, "" if there is none. Databases allow
// several hosts with commas between them.
func schemeBefore(before string) string {
	at, behind := strings.LastIndex(before, "//"), 2
	if escaped := strings.LastIndex(strings.ToUpper(before), "%2F%2F"); escaped > at {
		at, behind = escaped, 6
	}
	if at < 0 {
		return ""
	}
	m := schemeEnd.FindStringSubmatch(before[:at])
	if m == nil {
		return ""
	}
	scheme, rest := strings.ToLower(m[1]), before[at+behind:]
	if userAtEnd.MatchString(rest) || !isWeb[scheme] && hostsBefore.MatchString(rest) {
		return scheme
	}
	return ""
}

var (
	hostKey = regexp.MustCompile(`(?i)\b(?:host|hostaddr|server|data source|addr|address)\s*=\s*` +
		`['"]?(?:localhost|127\.0\.0\.1|\[?::1\]?)(?:['"\s;&]|$)`)
	portKey   = regexp.MustCompile(`(?i)\bport\s*=\s*['"]?(\d{1,5})\b`)
	commaPort = regexp.MustCompile(
		`(?i)\b(?:server|data source|addr|address)\s*=\s*(?:tcp:)?(?:localhost|127\.0\.0\.1)\s*,\s*(\d{1,5})\b`)
)

// keyed lists the ports of a text that names a host and its port by keys: host=localhost port=5432, or as SQL Server's
// clients take them, Server=localhost,1433.
func keyed(text string) []Address {
	var places [][]int
	ports := portKey.FindAllStringSubmatchIndex(text, -1)
	if len(ports) == 1 && len(hostKey.FindAllString(text, -1)) == 1 {
		places = ports
	} else {
		places = commaPort.FindAllStringSubmatchIndex(text, -1)
	}
	var list []Address
	for _, at := range places {
		port, _ := strconv.Atoi(text[at[2]:at[3]])
		list = append(list, Address{Text: text[at[2]:at[3]], Port: port, at: at[2]})
	}
	return list
}

// IsHere reports whether a host name means this host, for a program that runs on it.
func IsHere(host string) bool {
	switch strings.ToLower(host) {
	case "localhost", "127.0.0.1", "::1", "[::1]":
		return true
	}
	return false
}
