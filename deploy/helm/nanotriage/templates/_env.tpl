{{/* The settings as variables: those of the values, and what the chart itself knows: addresses, files, the grace of a stop. */}}
{{- define "nanotriage.env" -}}
{{- $values := deepCopy .Values.settings }}
{{- $folder := "/etc/nanotriage/secrets" }}
{{- $secrets := .Values.secrets }}
{{- $_ := set $values "stop_seconds" (include "nanotriage.stopSeconds" . | int64) }}
{{- $_ := set $values "health" (mergeOverwrite (dict "host" "0.0.0.0" "port" 8080) (dig "health" dict $values)) }}
{{- $_ := set $values "logs" (mergeOverwrite (dict "format" "json") (dig "logs" dict $values)) }}
{{- if .Values.tasks.calibrations }}{{ $_ := set $values "calibration_folder" "/etc/nanotriage/calibrations" }}{{ end }}
{{- if $secrets.modelKey.name }}{{ $_ := set $values.model "api_key_file" (printf "%s/model-key/%s" $folder $secrets.modelKey.key) }}{{ end }}
{{- if $secrets.kafkaPassword.name }}{{ $_ := set $values.kafka "password_file" (printf "%s/kafka-password/%s" $folder $secrets.kafkaPassword.key) }}{{ end }}
{{- if $secrets.kafkaAuthorities.name }}{{ $_ := set $values.kafka "ca_file" (printf "%s/kafka-authorities/%s" $folder $secrets.kafkaAuthorities.key) }}{{ end }}
{{- if $secrets.kafkaCertificate.name }}
{{- $_ := set $values.kafka "cert_file" (printf "%s/kafka-certificate/%s" $folder $secrets.kafkaCertificate.cert) }}
{{- $_ := set $values.kafka "key_file" (printf "%s/kafka-certificate/%s" $folder $secrets.kafkaCertificate.key) }}
{{- end }}
{{- range $section, $value := $values }}
{{- if kindIs "map" $value }}
{{- range $name, $inner := $value }}
{{- if not (kindIs "invalid" $inner) }}
- {name: NANOTRIAGE_{{ upper $section }}__{{ upper $name }}, value: {{ include "nanotriage.text" $inner | quote }}}
{{- end }}
{{- end }}
{{- else if not (kindIs "invalid" $value) }}
- {name: NANOTRIAGE_{{ upper $section }}, value: {{ include "nanotriage.text" $value | quote }}}
{{- end }}
{{- end }}
{{- end }}
