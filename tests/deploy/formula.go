// Evaluates a formula as KEDA does: for each line of standard input, a JSON object of trigger values, the result.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/expr-lang/expr"
)

func main() {
	program, err := expr.Compile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		values := map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &values); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		result, err := expr.Run(program, values)
		if err != nil {
			fmt.Println("error")
			continue
		}
		if number, ok := result.(float64); ok {
			fmt.Println(number)
		} else {
			fmt.Println("not a number")
		}
	}
}
