package gitfile

import "strings"

// UserSection is the part of git's configuration that says with which name and address it commits; "" if there is
// neither.
func UserSection(name, email string) string {
	section := ""
	if name != "" {
		section += "\tname = " + QuoteValue(name) + "\n"
	}
	if email != "" {
		section += "\temail = " + QuoteValue(email) + "\n"
	}
	if section == "" {
		return ""
	}
	return "[user]\n" + section
}

// QuoteValue quotes a value for git's configuration.
func QuoteValue(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", "", "\x00", "").Replace(v) + `"`
}
