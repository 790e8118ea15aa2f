package main

import (
	"context"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// serve answers what the API server asks a node on behalf of `kubectl exec` and `kubectl logs`; the
// container of a pod is the Docker container PREFIX_NAMESPACE_POD.
func serve(address, certificate, key, prefix string) error {
	routes := http.NewServeMux()
	routes.HandleFunc("/exec/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		options, err := remotecommand.NewOptions(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		remotecommand.ServeExec(w, r, inDocker{}, name(prefix, r), "", "", r.Form["command"], options,
			time.Hour, 30*time.Second, []string{"v4.channel.k8s.io"})
	})
	routes.HandleFunc("/containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		tail := r.FormValue("tailLines")
		if tail == "" {
			tail = "all"
		}
		logs := exec.CommandContext(r.Context(), "docker", "logs", "--tail", tail, name(prefix, r))
		logs.Stdout, logs.Stderr = w, w
		if err := logs.Run(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	return http.ListenAndServeTLS(address, certificate, key, routes)
}

func name(prefix string, r *http.Request) string {
	return strings.Join([]string{prefix, r.PathValue("namespace"), r.PathValue("pod")}, "_")
}

type inDocker struct{}

func (inDocker) ExecInContainer(ctx context.Context, name, _, _ string, command []string, in io.Reader,
	out, err io.WriteCloser, _ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	run := exec.CommandContext(ctx, "docker", append([]string{"exec", "-i", name}, command...)...)
	run.Stdin, run.Stdout, run.Stderr = in, out, err
	failed := run.Run()
	if ended, ok := failed.(*exec.ExitError); ok {
		return &utilexec.CodeExitError{Err: ended, Code: ended.ExitCode()}
	}
	return failed
}
