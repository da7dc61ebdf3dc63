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

{{/* Every operator of the cluster as `holdfast operator --operators` reads it: that of the release, then the others. */}}
{{- define "holdfast.admissionOperators" -}}
{{- $own := printf "%s/%s" .Release.Namespace (include "holdfast.serviceAccountName" (dict "root" . "component" "operator")) -}}
{{- with .Values.operator.watchNamespaces -}}{{- $own = printf "%s=%s" $own (join "+" .) -}}{{- end -}}
{{- join "," (prepend (default list .Values.admission.otherOperators) $own) -}}
{{- end }}

{{/* Their names in the lists of the policies, sorted as print-admission does. */}}
{{- define "holdfast.admissionUsers" -}}
{{- $users := list -}}
{{- range $operator := splitList "," (include "holdfast.admissionOperators" .) -}}
{{- $users = append $users (printf "'system:serviceaccount:%s'" (index (splitList "=" $operator) 0 | replace "/" ":")) -}}
{{- end -}}
{{- join ", " (sortAlpha $users) -}}
{{- end }}

{{/* Their namespaces, each once. */}}
{{- define "holdfast.admissionHomes" -}}
{{- $homes := list -}}
{{- range $operator := splitList "," (include "holdfast.admissionOperators" .) -}}
{{- $homes = append $homes (printf "'%s'" (index (splitList "/" $operator) 0)) -}}
{{- end -}}
{{- join ", " (sortAlpha (uniq $homes)) -}}
{{- end }}

{{/* With each namespace of those that watch some. */}}
{{- define "holdfast.admissionScopes" -}}
{{- $scopes := list -}}
{{- range $operator := splitList "," (include "holdfast.admissionOperators" .) -}}
{{- $parts := splitList "=" $operator -}}
{{- if gt (len $parts) 1 -}}
{{- range $namespace := splitList "+" (index $parts 1) -}}
{{- $scopes = append $scopes (printf "'system:serviceaccount:%s %s'" (index $parts 0 | replace "/" ":") $namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- join ", " (sortAlpha $scopes) -}}
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
{{- if .Values.admission.otherOperators }}
- --operators={{ include "holdfast.admissionOperators" . }}
{{- end }}
{{- with .Values.cluster.id }}
- --cluster-id={{ . }}
{{- end }}
{{- end }}
