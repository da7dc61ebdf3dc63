// Whose kinds the chart and the examples use. Nothing of these modules is built: tools/build.sh chart-tools takes the
// CustomResourceDefinitions out of them that crds.txt names.
module holdfast/tools/foreign-kinds

go 1.26.0

require (
	github.com/argoproj/argo-cd/v3 v3.3.9
	github.com/cert-manager/cert-manager v1.21.2
	github.com/cloudnative-pg/cloudnative-pg v1.28.0
	github.com/cloudnative-pg/plugin-barman-cloud v0.15.0
	github.com/fluxcd/kustomize-controller v1.7.3
	github.com/kubernetes-csi/external-snapshotter/client/v8 v8.4.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	github.com/vmware-tanzu/velero v1.18.3
	sigs.k8s.io/gateway-api v1.4.1
)
