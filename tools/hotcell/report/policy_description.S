// What policy/describe_policy.cc printed.
.section .rodata
.globl hotcell_policy_json
.globl hotcell_policy_json_end
hotcell_policy_json:
.incbin HOTCELL_POLICY_JSON
hotcell_policy_json_end:

.section .note.GNU-stack, "", @progbits
