"""Where the service under test runs. `local` is built here; the guard starts what `spec.StackSpec` says."""
