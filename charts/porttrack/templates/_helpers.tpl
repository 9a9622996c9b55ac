{{/* Labels of every object; with (dict "root" $ "track" "stable") also those of a track. */}}
{{- define "porttrack.labels" -}}
app.kubernetes.io/name: porttrack
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- with .track }}
track: {{ . }}
{{- end }}
{{- end }}

{{/* What selects the pods of a track, and never changes. */}}
{{- define "porttrack.selector" -}}
app.kubernetes.io/name: porttrack
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .track }}
track: {{ . }}
{{- end }}
{{- end }}

{{/* The tracks that there are. */}}
{{- define "porttrack.tracks" -}}
stable{{ if .Values.canary.enabled }} canary{{ end }}
{{- end }}

{{/* Where pods may run, and who may fetch their image. */}}
{{- define "porttrack.placing" -}}
imagePullSecrets: {{ toJson .Values.imagePullSecrets }}
nodeSelector: {{ toJson .Values.nodeSelector }}
tolerations: {{ toJson .Values.tolerations }}
affinity: {{ toJson .Values.affinity }}
{{- end }}

{{- define "porttrack.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "porttrack.pod-security" -}}
runAsNonRoot: true
runAsUser: 1000
seccompProfile: {type: RuntimeDefault}
{{- end }}
