{{/* What every pod of the chart may: be scraped, ask for names, and reach the brokers. */}}
{{- define "nanotriage.network" -}}
{{- $policy := .Values.networkPolicy }}
ingress:
  - from:
      - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $policy.monitoringNamespace }}}}
    ports:
      - {port: {{ include "nanotriage.healthPort" . }}, protocol: TCP}
egress:
  - to:
      - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
        podSelector: {matchLabels: {k8s-app: kube-dns}}
    ports:
      - {port: 53, protocol: UDP}
      - {port: 53, protocol: TCP}
  - ports:
      {{- $ports := list }}
      {{- range splitList "," .Values.settings.kafka.brokers }}{{ $ports = append $ports (regexFind "[0-9]+$" (trim .) | required "settings.kafka.brokers: give host:port, comma separated") }}{{ end }}
      {{- range uniq $ports }}
      - {port: {{ . }}, protocol: TCP}
      {{- end }}
    {{- with $policy.kafkaPeers }}
    to: {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
