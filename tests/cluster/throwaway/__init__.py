"""A real one-node Kubernetes for the tests that leaves no trace: `python -m tests.cluster.throwaway up | down | build`.

Every process lives in namespaces of its own (pid, mount, network) whose first process is `node.py`. Whatever becomes of
`up` or of a test, the end of that one process is the end of all of them, of their mounts and of their network: the
kernel sees to it. What stays are empty cgroups and one folder, which `down` and the next `up` take away.

    layout.py    where everything lies, addresses, versions
    build.py     the programs: from Go modules at pinned sums, and Debian's packages unpacked, never installed
    pki.py       keys and certificates of one cluster's life
    parts.py     the processes of the node, as data
    node.py      process 1 of the namespaces: starts the parts, reaps, ends with `up`'s pipe until the node is ready
    lifecycle.py up, down

Root and Linux only. Somebody else's cluster (minikube, kind, a managed one) needs none of this: everything after it
takes a kubeconfig.
"""
