{{/* Values that the schema allows one by one and that do not go together. */}}
{{- define "holdfast.validate" -}}
{{- $tls := .Values.tls -}}
{{- if and (eq $tls.mode "secret") (not $tls.existingSecret) -}}
{{- fail "tls.mode is secret: say in tls.existingSecret which Secret (kubernetes.io/tls) has the certificate" -}}
{{- end -}}
{{- if and (ne $tls.mode "secret") $tls.existingSecret -}}
{{- fail (printf "tls.existingSecret is set but tls.mode is %s: it is read in mode secret only" $tls.mode) -}}
{{- end -}}
{{- if and (eq $tls.mode "certManager") (not $tls.certManager.issuerRef.name) -}}
{{- fail "tls.mode is certManager: say in tls.certManager.issuerRef.name who issues the certificate" -}}
{{- end -}}
{{- if and (not .Values.server.http.enabled) (not (include "holdfast.hasHttps" .)) -}}
{{- fail "nobody could reach S3: enable server.http, or server.https with a tls.mode other than off" -}}
{{- end -}}
{{- if and (include "holdfast.hasHttps" .) .Values.server.http.enabled (eq (int .Values.server.http.port) (int .Values.server.https.port)) -}}
{{- fail "server.http.port and server.https.port are the same" -}}
{{- end -}}
{{- range $port := list .Values.server.http.port .Values.server.https.port -}}
{{- if has (int $port) (list 9001 9002) -}}
{{- fail (printf "port %v is taken: 9001 is the admin API, 9002 health and metrics" $port) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.crds.enabled (not .Values.crds.keep) .Values.admission.enabled -}}
{{- fail "crds.keep is false: the policy definitions.holdfast.dev would refuse to let the CustomResourceDefinitions go at uninstall; set admission.enabled to false too" -}}
{{- end -}}
{{- $backup := default dict .Values.server.backup -}}
{{- if and $backup.existingClaim (eq $backup.existingClaim (include "holdfast.storageClaim" .)) -}}
{{- fail "server.backup.existingClaim is the claim of the volume itself: a backup belongs on another one" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled: say in ingress.hosts which names lead to S3" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (eq .Values.ingress.backend "http") (not .Values.server.http.enabled) -}}
{{- fail "ingress.backend is http, but server.http is off" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (eq .Values.ingress.backend "https") (not (include "holdfast.hasHttps" .)) -}}
{{- fail "ingress.backend is https, but there is no HTTPS: see server.https and tls.mode" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled: say in httpRoute.parentRefs which Gateway it joins" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.server.http.enabled) -}}
{{- fail "httpRoute leads to the port of plain HTTP, but server.http is off" -}}
{{- end -}}
{{- if and .Values.operator.watchNamespaces (not .Values.cluster.id) -}}
{{- fail "operator.watchNamespaces: say in cluster.id which cluster this is; the operator may not read the uid of kube-system then" -}}
{{- end -}}
{{- range $operator := .Values.admission.otherOperators -}}
{{- if not (regexMatch "^[a-z0-9-]+/[a-z0-9-]+(=[a-z0-9-]+([+][a-z0-9-]+)*)?$" $operator) -}}
{{- fail (printf "admission.otherOperators: %s is not an account such as tenant-a/holdfast-operator=team-a+team-b" $operator) -}}
{{- end -}}
{{- end -}}
{{- range $component := list "server" "operator" -}}
{{- $account := (index $.Values $component).serviceAccount -}}
{{- if and (not $account.create) (not $account.name) -}}
{{- fail (printf "%s.serviceAccount.create is false: say in %s.serviceAccount.name which one to use" $component $component) -}}
{{- end -}}
{{- end -}}
{{- $keys := include "holdfast.operatorKeyEnv" . | fromYamlArray -}}
{{- $ownServer := concat (include "holdfast.rootKeyEnv" . | fromYamlArray) $keys (include "holdfast.askServerEnv" . | fromYamlArray) -}}
{{- $ownOperator := ternary $keys list (not (empty .Values.auth.operator.existingSecret)) -}}
{{- range $component, $own := dict "server" $ownServer "operator" $ownOperator -}}
{{- range $given := (index $.Values $component).extraEnv -}}
{{- range $set := $own -}}
{{- if eq $given.name $set.name -}}
{{- fail (printf "%s.extraEnv: the chart sets %s itself, by the values that it stands for, and a variable is there once: leave it out" $component $set.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
