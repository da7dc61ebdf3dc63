{{/* "true" or nothing: is there a certificate, and with it HTTPS on the admin port. */}}
{{- define "holdfast.hasTls" -}}
{{- if ne .Values.tls.mode "off" -}}true{{- end -}}
{{- end }}

{{- define "holdfast.hasHttps" -}}
{{- if and (include "holdfast.hasTls" .) .Values.server.https.enabled -}}true{{- end -}}
{{- end }}

{{- define "holdfast.s3Endpoint" -}}
{{- $host := printf "%s-s3.%s.svc" (include "holdfast.fullname" .) .Release.Namespace -}}
{{- if include "holdfast.hasHttps" . -}}
{{- printf "https://%s:%v" $host .Values.server.https.port -}}
{{- else -}}
{{- printf "http://%s:%v" $host .Values.server.http.port -}}
{{- end -}}
{{- end }}

{{- define "holdfast.adminEndpoint" -}}
{{- $scheme := ternary "https" "http" (eq (include "holdfast.hasTls" .) "true") -}}
{{- printf "%s://%s-admin.%s.svc:9001" $scheme (include "holdfast.fullname" .) .Release.Namespace -}}
{{- end }}

{{/* The names in the server's certificate, by commas. */}}
{{- define "holdfast.serverNames" -}}
{{- $names := list -}}
{{- range $service := list "s3" "admin" -}}
{{- $host := printf "%s-%s" (include "holdfast.fullname" $) $service -}}
{{- $names = concat $names (list (printf "%s.%s.svc" $host $.Release.Namespace) (printf "%s.%s.svc.%s" $host $.Release.Namespace $.Values.cluster.domain) (printf "%s.%s" $host $.Release.Namespace) $host) -}}
{{- end -}}
{{- $names = append $names (printf "%s-server-0.%s-headless.%s.svc" (include "holdfast.fullname" .) (include "holdfast.fullname" .) .Release.Namespace) -}}
{{- with .Values.server.domain -}}{{- $names = append $names . -}}{{- end -}}
{{- concat $names (list "localhost") .Values.tls.extraNames | uniq | join "," -}}
{{- end }}

{{- define "holdfast.serverArgs" -}}
- server
- --data=/data
{{- with .Values.server.volumeId }}
- --volume-id={{ . }}
{{- end }}
- --master-key-file=/etc/holdfast/master/master.key
- --s3-listen={{ if .Values.server.http.enabled }}{{ .Values.listenAddress }}:{{ .Values.server.http.port }}{{ else }}none{{ end }}
{{- if include "holdfast.hasHttps" . }}
- --s3-tls-listen={{ .Values.listenAddress }}:{{ .Values.server.https.port }}
{{- end }}
{{- if include "holdfast.hasTls" . }}
- --tls-cert=/etc/holdfast/tls/tls.crt
- --tls-key=/etc/holdfast/tls/tls.key
{{- end }}
- --admin-listen={{ .Values.listenAddress }}:9001
- --metrics-listen={{ .Values.listenAddress }}:9002
- --public-endpoint={{ default (include "holdfast.s3Endpoint" .) .Values.server.publicEndpoint }}
- --region={{ .Values.server.region }}
- --default-profile={{ .Values.server.defaultProfile }}
- --lifecycle-interval={{ .Values.server.lifecycleInterval }}
{{- with .Values.server.scrubBytesPerSecond }}
- --scrub-bytes-per-second={{ int64 . }}
{{- end }}
- --shutdown-grace={{ .Values.server.shutdownGraceSeconds }}s
- --log-level={{ .Values.server.logLevel }}
- --access-log={{ ternary "on" "off" .Values.server.accessLog }}
{{- with .Values.server.domain }}
- --domain={{ . }}
{{- end }}
{{- with .Values.server.workers }}
- --workers={{ . }}
{{- end }}
{{- if .Values.auth.accessKeys.existingSecret }}
- --access-keys=/etc/holdfast/access-keys/access-keys.json
{{- end }}
{{- end }}

{{/* Root's key in the environment of a container. */}}
{{- define "holdfast.rootKeyEnv" -}}
- name: HOLDFAST_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ include "holdfast.rootSecretName" . }}
      key: AWS_ACCESS_KEY_ID
- name: HOLDFAST_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "holdfast.rootSecretName" . }}
      key: AWS_SECRET_ACCESS_KEY
{{- end }}

{{- define "holdfast.operatorKeyEnv" -}}
- name: HOLDFAST_OPERATOR_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ include "holdfast.operatorSecretName" . }}
      key: AWS_ACCESS_KEY_ID
- name: HOLDFAST_OPERATOR_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "holdfast.operatorSecretName" . }}
      key: AWS_SECRET_ACCESS_KEY
{{- end }}

{{/* "true" or nothing: is the authority of the server's certificate in the cluster, for those who ask the server. */}}
{{- define "holdfast.hasAuthority" -}}
{{- if or (eq .Values.tls.mode "auto") (include "holdfast.hasAuthoritySecret" .) -}}true{{- end -}}
{{- end }}

{{- define "holdfast.authorityVolume" -}}
{{- if eq .Values.tls.mode "auto" -}}
- name: authority
  configMap:
    name: {{ include "holdfast.fullname" . }}-ca
    optional: true
{{- else if include "holdfast.hasAuthoritySecret" . -}}
- name: authority
  secret:
    secretName: {{ include "holdfast.tlsSecretName" . }}
    defaultMode: 288 # 0440
    optional: true
    items:
      - { key: {{ .Values.tls.authorityKey }}, path: ca.crt }
{{- end }}
{{- end }}

{{/* So that `kubectl exec … holdfast admin`, `status`, `why` and `clock` ask the server of their pod, as root. */}}
{{- define "holdfast.askServerEnv" -}}
- { name: HOLDFAST_REGION, value: {{ .Values.server.region | quote }} }
- { name: HOLDFAST_SERVER_ADMIN, value: "{{ ternary "https" "http" (eq (include "holdfast.hasTls" .) "true") }}://localhost:9001" }
{{- if include "holdfast.hasHttps" . }}
- { name: HOLDFAST_SERVER_S3, value: "https://localhost:{{ .Values.server.https.port }}" }
{{- else }}
- { name: HOLDFAST_SERVER_S3, value: "http://localhost:{{ .Values.server.http.port }}" }
{{- end }}
{{- if include "holdfast.hasAuthority" . }}
- { name: HOLDFAST_SERVER_CA, value: /etc/holdfast/authority/ca.crt }
{{- end }}
{{- end }}
