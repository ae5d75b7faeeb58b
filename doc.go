// Package gatehouse holds no code of its own. It is the root of the module:
// arch_test.go beside this file checks who may import whom and which calls
// have a home of their own. The program is in cmd/gatehouse.
package gatehouse
