{{/* "true" or nothing: does the operator make anything of the release. */}}
{{- define "holdfast.isBootstrapped" -}}
{{- if or (not .Values.auth.root.existingSecret) (not .Values.auth.operator.existingSecret) (not .Values.auth.master.existingSecret) (eq .Values.tls.mode "auto") -}}true{{- end -}}
{{- end }}

{{/* "true" or nothing: does a client find the authority in the Secret with the certificate. */}}
{{- define "holdfast.hasAuthoritySecret" -}}
{{- if and (has .Values.tls.mode (list "secret" "certManager")) .Values.tls.authorityKey -}}true{{- end -}}
{{- end }}

{{/* Of the one pod of the StatefulSet, by its template named data. */}}
{{- define "holdfast.storageClaim" -}}
{{- default (printf "data-%s-server-0" (include "holdfast.fullname" .)) .Values.server.persistence.existingClaim -}}
{{- end }}

{{- define "holdfast.operatorArgs" -}}
- operator
{{- if include "holdfast.isBootstrapped" . }}
- --release={{ include "holdfast.fullname" . }}
{{- end }}
{{- if eq .Values.tls.mode "auto" }}
- --server-names={{ include "holdfast.serverNames" . }}
{{- end }}
- --server-s3={{ include "holdfast.s3Endpoint" . }}
- --server-admin={{ include "holdfast.adminEndpoint" . }}
{{- if include "holdfast.hasAuthoritySecret" . }}
- --server-ca=/etc/holdfast/authority/ca.crt
{{- end }}
- --region={{ .Values.server.region }}
- --metrics-listen={{ .Values.listenAddress }}:9002
- --leader-elect-resource-namespace={{ .Release.Namespace }}
- --leader-elect-resource-name={{ include "holdfast.fullname" . }}-operator
- --storage-claims={{ include "holdfast.storageClaim" . }}
- --verify-interval={{ .Values.operator.verifyInterval }}
- --log-level={{ .Values.operator.logLevel }}
{{- with .Values.operator.watchNamespaces }}
- --watch-namespaces={{ join "," . }}
{{- end }}
{{- with .Values.cluster.id }}
- --cluster-id={{ . }}
{{- end }}
{{- end }}
