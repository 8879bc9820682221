// Files without a name, for what a job leaves until it is told or sent elsewhere.
#ifndef HOTCELL_UNNAMED_FILE_H_
#define HOTCELL_UNNAMED_FILE_H_

#include <string>

namespace hotcell {

// Where they are kept: what TMPDIR names, or /tmp.
std::string TemporaryDirectory();

// Opens an empty file in `directory` for reading and writing that nobody else can open. Where the
// file system has none without a name (O_TMPFILE), it has one for a moment. -1: errno is that of
// the file system's answer to O_TMPFILE.
int OpenUnnamedFile(const std::string& directory);

// Whether `error` of OpenUnnamedFile() says that the directory is there, and holds no such files.
bool HasNoUnnamedFiles(int error, const std::string& directory);

}  // namespace hotcell

#endif  // HOTCELL_UNNAMED_FILE_H_
