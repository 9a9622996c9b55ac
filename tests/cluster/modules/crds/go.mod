module harness/tests/cluster/crds

go 1.26.0

// No code of theirs is built: the files of their custom resources are read where the module lies.
require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.5.1
)
