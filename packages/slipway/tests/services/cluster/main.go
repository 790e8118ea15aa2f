// A Kubernetes cluster for the tests, in one program that is called by several names: the API
// server, the controllers of deployments, and the end of a node at which `kubectl exec` and
// `kubectl logs` arrive. The nodes themselves are played by tests/kubernetes/node.py.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/replicaset"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controllers": // KUBECONFIG
		exit(control(context.Background(), os.Args[1]))
	case "kube-node": // ADDRESS CERTIFICATE KEY PREFIX
		exit(serve(os.Args[1], os.Args[2], os.Args[3], os.Args[4]))
	default:
		exit(fmt.Errorf("%s: call this by another name", name))
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// control runs the controllers that turn a deployment into pods, until the process is killed.
func control(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 100, 200
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(client, 0)
	pods, sets := shared.Core().V1().Pods(), shared.Apps().V1().ReplicaSets()
	deployments, err := deployment.NewDeploymentController(
		ctx, shared.Apps().V1().Deployments(), sets, pods, client)
	if err != nil {
		return err
	}
	replicas := replicaset.NewReplicaSetController(ctx, sets, pods, client, replicaset.BurstReplicas)
	shared.Start(ctx.Done())
	go replicas.Run(ctx, 1)
	deployments.Run(ctx, 1)
	return nil
}
