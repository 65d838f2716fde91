{{/* What every pod of the chart has in common: no token, no root, no capability, secrets as files. */}}
{{- define "nanotriage.pod" -}}
serviceAccountName: {{ include "nanotriage.fullname" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}{{ end }}
{{- end }}
{{- end }}

{{- define "nanotriage.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
startupProbe: {httpGet: {path: /live, port: health}, periodSeconds: 2, failureThreshold: 60}
livenessProbe: {httpGet: {path: /live, port: health}, periodSeconds: 15, timeoutSeconds: 5, failureThreshold: 4}
readinessProbe: {httpGet: {path: /ready, port: health}, periodSeconds: 5, timeoutSeconds: 5}
{{- end }}

{{- define "nanotriage.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.tasks.files }}
- {name: tasks, mountPath: /etc/nanotriage/tasks, readOnly: true}
{{- end }}
{{- if .Values.tasks.calibrations }}
- {name: calibrations, mountPath: /etc/nanotriage/calibrations, readOnly: true}
{{- end }}
{{- range $name, $secret := .Values.secrets }}
{{- if $secret.name }}
- {name: {{ kebabcase $name }}, mountPath: /etc/nanotriage/secrets/{{ kebabcase $name }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "nanotriage.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{- if .Values.tasks.files }}
- {name: tasks, configMap: {name: {{ include "nanotriage.fullname" . }}-tasks}}
{{- end }}
{{- if .Values.tasks.calibrations }}
- {name: calibrations, configMap: {name: {{ include "nanotriage.fullname" . }}-calibrations}}
{{- end }}
{{- range $name, $secret := .Values.secrets }}
{{- if $secret.name }}
- {name: {{ kebabcase $name }}, secret: {secretName: {{ $secret.name }}, defaultMode: 0440}}
{{- end }}
{{- end }}
{{- end }}

{{/* The key that marks probes, as a variable: it may not change while probes are under way. */}}
{{- define "nanotriage.markKey" -}}
{{- with .Values.prober.markKeySecret -}}
- {name: NANOTRIAGE_PROBE__MARK_KEY, valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.Values.prober.markKey }}}}}
{{- end }}
{{- end }}
