{{/* Labels of an object: include "wgmesh.labels" (dict "root" $ "component" "agent") */}}
{{- define "wgmesh.labels" -}}
{{ include "wgmesh.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- end }}

{{/* Labels by which the pods of a component are found: they never change. */}}
{{- define "wgmesh.selector" -}}
app.kubernetes.io/name: wgmesh
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "wgmesh.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Where agents and tools in the cluster call the operator; kubelet knows the address of the Service. */}}
{{- define "wgmesh.operatorUrl" -}}
{{- if eq .Values.operator.service.ipFamily "IPv6" -}}
https://[$(WGMESH_OPERATOR_SERVICE_HOST)]:7443
{{- else -}}
https://$(WGMESH_OPERATOR_SERVICE_HOST):7443
{{- end }}
{{- end }}

{{/* An address and a port, as --listen and --metrics-listen take them: include "wgmesh.endpoint" (list "::" 9586) */}}
{{- define "wgmesh.endpoint" -}}
{{- if contains ":" (first .) }}[{{ first . }}]{{ else }}{{ first . }}{{ end }}:{{ last . }}
{{- end }}

{{/* Where metrics are served, as --metrics-listen takes it: include "wgmesh.metricsEndpoint" (list $ PORT) */}}
{{- define "wgmesh.metricsEndpoint" -}}
{{- with (first .).Values.metrics.address }}{{ include "wgmesh.endpoint" (list . (last $)) }}
{{- else }}{{ ternary "[$(HOST_IP)]" "$(HOST_IP)" (eq (first .).Values.operator.service.ipFamily "IPv6") }}:{{ last . }}
{{- end }}
{{- end }}

{{/* Where kubelet asks: at the pod's address, which is the node's own, unless there nobody listens: include "wgmesh.probe" (list $ PORT PATH) */}}
{{- define "wgmesh.probe" -}}
{{- $address := (first .).Values.metrics.address -}}
httpGet:
  {{- if not (has $address (list "" "0.0.0.0" "::")) }}
  host: {{ $address | quote }}
  {{- end }}
  port: {{ index . 1 }}
  path: {{ last . }}
{{- end }}

{{- define "wgmesh.scrapeAnnotations" -}}
prometheus.io/scrape: "true"
prometheus.io/path: /metrics
prometheus.io/port: {{ . | quote }}
{{- end }}

{{/* For containers that need no privilege. */}}
{{- define "wgmesh.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The pod of a program that needs no privilege. */}}
{{- define "wgmesh.nobody" -}}
runAsNonRoot: true
runAsUser: 1654
runAsGroup: 1654
fsGroup: 1654
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Nodes that are not ready, or that are for a control plane alone, need the mesh before they can be anything else. */}}
{{- define "wgmesh.tolerations" -}}
- {key: node.kubernetes.io/not-ready, operator: Exists}
- {key: node.kubernetes.io/network-unavailable, operator: Exists}
- {key: node.cloudprovider.kubernetes.io/uninitialized, operator: Exists}
- {key: node-role.kubernetes.io/control-plane, operator: Exists}
- {key: node-role.kubernetes.io/master, operator: Exists}
{{- end }}

{{/* A token that proves to the operator who calls, and nothing to anybody else. */}}
{{- define "wgmesh.tokenVolume" -}}
name: token
projected:
  sources:
  - serviceAccountToken: {audience: wgmesh, expirationSeconds: 3600, path: token}
{{- end }}

{{/* The operators make this ConfigMap when they start: until then a pod that mounts it waits. */}}
{{- define "wgmesh.caVolume" -}}
name: ca
configMap: {name: wgmesh-ca}
{{- end }}

{{/* What a schema cannot say. */}}
{{- define "wgmesh.check" -}}
{{- with .Values }}
{{- $ports := list (int .operator.port) (int .metrics.operatorPort) (int .metrics.agentPort) }}
{{- if ne (len (uniq $ports)) 3 }}
{{- fail "operator.port, metrics.operatorPort and metrics.agentPort are ports of the same nodes: give each another number" }}
{{- end }}
{{- end }}
{{- end }}
