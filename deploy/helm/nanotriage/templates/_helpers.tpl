{{- define "nanotriage.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Every pod of the release: workers, and what runs beside them. */}}
{{- define "nanotriage.family" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nanotriage.selector" -}}
{{ include "nanotriage.family" . }}
app.kubernetes.io/component: worker
{{- end }}

{{- define "nanotriage.labels" -}}
{{ include "nanotriage.selector" . }}
{{ include "nanotriage.origin" . }}
{{- end }}

{{- define "nanotriage.origin" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "nanotriage.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* A value as a variable holds it. JSON, because Go prints large numbers as 1e+06. */}}
{{- define "nanotriage.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{- define "nanotriage.timeout" -}}{{ .Values.settings.model.timeout_seconds | default 60 }}{{- end }}

{{/* A worker finishes what it has asked: the longest call and a commit. */}}
{{- define "nanotriage.stopSeconds" -}}
{{- $least := add (ceil (include "nanotriage.timeout" . | float64)) 10 }}
{{- $wanted := .Values.settings.stop_seconds | default $least }}
{{- if lt ($wanted | float64) ($least | float64) }}{{ fail (printf "settings.stop_seconds %v is shorter than the longest call and a commit: make it %d, or model.timeout_seconds shorter" $wanted $least) }}{{ end }}
{{- ceil ($wanted | float64) | int64 }}
{{- end }}

{{- define "nanotriage.healthPort" -}}{{ dig "health" "port" 8080 .Values.settings | int }}{{- end }}

{{/* Topics of all tasks, as JSON: `sources`, what a worker writes (`outcomes`), and what lies `beside` the stream, each with its own rights and configuration. */}}
{{- define "nanotriage.topics" -}}
{{- $sources := list }}{{ $outcomes := list }}{{ $beside := list }}
{{- $shipped := .Files.Get "files/shipped.yaml" | fromYaml }}
{{- range .Values.tasks.shipped }}
{{- $task := get $shipped . }}
{{- $sources = append $sources $task.source }}{{ $outcomes = concat $outcomes $task.outcomes }}
{{- end }}
{{- range $file, $text := .Values.tasks.files }}
{{- $task := fromYaml $text }}
{{- if $task.Error }}{{ fail (printf "tasks.files.%s is not YAML: %s" $file $task.Error) }}{{ end }}
{{- $sources = append $sources (dig "source" "topic" "" $task | required (printf "tasks.files.%s names no source.topic" $file)) }}
{{- $routes := $task.routes | required (printf "tasks.files.%s names no routes" $file) }}
{{- if kindIs "map" $routes.labelled }}
{{- $outcomes = concat $outcomes (values $routes.labelled.topics) (list $routes.labelled.otherwise) }}
{{- else }}{{ $outcomes = append $outcomes $routes.labelled }}{{ end }}
{{- $outcomes = append (append $outcomes $routes.escalated) $routes.dead }}
{{- with $routes.audit }}{{ $outcomes = append $outcomes . }}{{ end }}
{{- with $routes.findings }}{{ $beside = append $beside (dict "name" . "operations" (list "Read" "Write") "partitions" 1 "config" (dict "retention.ms" -1)) }}{{ end }}
{{- with $task.context }}
{{- $kept := mulf (.ttl_hours | default 72) 3600000 | int64 }}
{{- $beside = append $beside (dict "name" .topic "operations" (list "Read") "config" (dict "cleanup.policy" "compact,delete" "retention.ms" $kept)) }}
{{- end }}
{{- end }}
{{- with dig "delivery" "summary_topic" "" .Values.settings }}
{{- $outcomes = append $outcomes . }}
{{- if $.Values.rollups.replicas }}
{{- $beside = append $beside (dict "name" (printf "%s.rollups" .) "config" (dict "cleanup.policy" "compact,delete" "retention.ms" 604800000)) }}
{{- range list "alerts" "baselines" }}{{ $beside = append $beside (dict "name" (printf "%s.%s" (dig "delivery" "summary_topic" "" $.Values.settings) .) "config" (dict "cleanup.policy" "compact")) }}{{ end }}
{{- end }}
{{- end }}
{{- with dig "controls" "topic" "" .Values.settings }}
{{- $stamped := dict "message.timestamp.type" "LogAppendTime" }}
{{- $beside = append $beside (dict "name" . "operations" (list "Read") "partitions" 1 "config" (merge (dict "cleanup.policy" "compact") $stamped)) }}
{{- $beside = append $beside (dict "name" (printf "%s.changes" .) "operations" (list) "partitions" 1 "config" (merge (dict "retention.ms" -1) $stamped)) }}
{{- $beside = append $beside (dict "name" (printf "%s.acks" .) "operations" (list "Write") "partitions" 1 "config" (merge (dict "retention.ms" 600000 "segment.ms" 600000) $stamped)) }}
{{- end }}
{{- if not $sources }}{{ fail "there is no task: name one in tasks.shipped or write one into tasks.files" }}{{ end }}
{{- if ne (len $sources) (len (uniq $sources)) }}{{ fail "two tasks read the same topic: install them as two releases with two groups" }}{{ end }}
{{- dict "sources" ($sources | sortAlpha) "outcomes" ($outcomes | uniq | sortAlpha) "beside" ($beside | uniq) | toJson }}
{{- end }}

{{/* Most workers: a partition each, and no more than the quota feeds. */}}
{{- define "nanotriage.maxReplicas" -}}
{{- $scaling := .Values.scaling }}
{{- $most := mul $scaling.partitions (len (include "nanotriage.topics" . | fromJson).sources) }}
{{- $tokens := $scaling.tokensPerMinute | default (dig "limits" "tokens_per_minute" 0 .Values.settings) | float64 }}
{{- if $tokens }}
{{- $fed := divf (mulf $tokens $scaling.headroom) 60 $scaling.tokensPerMessage $scaling.messagesPerSecondPerPod | ceil | int64 }}
{{- $most = min $most (max 1 $fed) }}
{{- end }}
{{- $max := $scaling.max | default $most | int64 }}
{{- if lt $max ($scaling.min | int64) }}{{ fail (printf "scaling.min %v is above the most workers, %d" $scaling.min $max) }}{{ end }}
{{- $max }}
{{- end }}

{{- define "nanotriage.security" -}}{{ dig "kafka" "security" "PLAINTEXT" .Values.settings }}{{- end }}
