// The rules in words.
#ifndef HOTCELL_POLICY_RULE_WORDS_H_
#define HOTCELL_POLICY_RULE_WORDS_H_

#include <string>

#include "policy/rules.h"

namespace hotcell::policy {

// "ioctl".
std::string CallName(long number);

// "request is KVM_RUN", "fd is a vCPU's", "prot has no PROT_EXEC", "tgid is the worker's own".
//
// Ends the process with a message when the argument or the value has no name: it is called while
// the project is built, and a rule that cannot be explained is not to be added.
std::string ConditionWords(long number, const Condition& condition);

}  // namespace hotcell::policy

#endif  // HOTCELL_POLICY_RULE_WORDS_H_
