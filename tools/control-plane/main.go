// Command control-plane is every Kubernetes process that the cluster tests need, in one binary:
// the first argument names the process, the rest are its flags. One binary links the packages
// that the processes share once instead of five times.
package main

import (
	"context"
	"fmt"
	"os"
	_ "time/tzdata" // Time zones of CronJobs, as in the upstream binaries.

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

const processes = "kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy or kubelet"

func command(name string) *cobra.Command {
	switch name {
	case "kube-apiserver":
		return apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		return controllermanager.NewControllerManagerCommand()
	case "kube-scheduler":
		return scheduler.NewSchedulerCommand()
	case "kube-proxy":
		return proxy.NewProxyCommand()
	case "kubelet":
		return kubelet.NewKubeletCommand(context.Background())
	default:
		return nil
	}
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintf(os.Stderr, "usage: control-plane PROCESS [flags]; PROCESS is %s\n", processes)
		os.Exit(2)
	}
	root := command(os.Args[1])
	if root == nil {
		fmt.Fprintf(os.Stderr, "control-plane: no process %q; give %s\n", os.Args[1], processes)
		os.Exit(2)
	}
	// The process finds its own name first in os.Args, as if it were a binary of its own.
	os.Args = os.Args[1:]
	os.Exit(cli.Run(root))
}
