{{/* Names of what lies in the release's namespace begin with this: 40 characters at most, so that suffixes fit. */}}
{{- define "holdfast.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "holdfast.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Never changes during the life of a release: selectors and claim templates cannot be updated. */}}
{{- define "holdfast.selectorLabels" -}}
app.kubernetes.io/name: {{ include "holdfast.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "holdfast.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: holdfast
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of what belongs to no component. */}}
{{- define "holdfast.labels" -}}
app.kubernetes.io/name: {{ include "holdfast.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "holdfast.commonLabels" . }}
{{- end }}

{{- define "holdfast.componentLabels" -}}
{{ include "holdfast.selectorLabels" . }}
{{ include "holdfast.commonLabels" .root }}
{{- end }}

{{- define "holdfast.serviceAccountName" -}}
{{- $account := (index .root.Values .component).serviceAccount -}}
{{- default (printf "%s-%s" (include "holdfast.fullname" .root) .component) $account.name -}}
{{- end }}

{{- define "holdfast.image" -}}
{{- $image := .Values.image -}}
{{- $repository := $image.repository -}}
{{- if $image.registry -}}{{- $repository = printf "%s/%s" $image.registry $image.repository -}}{{- end -}}
{{- $name := printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) -}}
{{- if $image.digest -}}{{- printf "%s@%s" $name $image.digest -}}{{- else -}}{{- $name -}}{{- end -}}
{{- end }}

{{- define "holdfast.rootSecretName" -}}
{{- default (printf "%s-root" (include "holdfast.fullname" .)) .Values.auth.root.existingSecret -}}
{{- end }}

{{- define "holdfast.operatorSecretName" -}}
{{- default (printf "%s-operator" (include "holdfast.fullname" .)) .Values.auth.operator.existingSecret -}}
{{- end }}

{{- define "holdfast.masterSecretName" -}}
{{- default (printf "%s-master" (include "holdfast.fullname" .)) .Values.auth.master.existingSecret -}}
{{- end }}

{{- define "holdfast.tlsSecretName" -}}
{{- default (printf "%s-tls" (include "holdfast.fullname" .)) .Values.tls.existingSecret -}}
{{- end }}
