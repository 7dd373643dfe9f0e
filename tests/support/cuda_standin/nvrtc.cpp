// NVRTC: g++ compiles the kernels of a source into a shared library, once per source.
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "standin.h"

#define NVRTC(name, ...) EXPORT int nvrtc##name(__VA_ARGS__)

namespace {
struct Program {
    std::string text, log, image;
    std::vector<std::string> expressions;
    std::map<std::string, std::string> lowered;
};

std::string folder() {
    static const std::string found = [] {
        Dl_info info;
        dladdr((void *)folder, &info);
        std::string path = info.dli_fname;
        return path.substr(0, path.rfind('/'));
    }();
    return found;
}

bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

// The names of kernels that are not templates.
std::vector<std::string> kernels(const std::string &text) {
    std::vector<std::string> names;
    for (size_t at = 0; (at = text.find("__global__", at)) != std::string::npos;) {
        size_t before = text.find_last_not_of(" \t\n", at ? at - 1 : 0);
        at += strlen("__global__");
        if (at > 10 && text[before] == '>') continue;
        for (size_t i = at; i < text.size();) {
            if (!is_word(text[i])) { if (strchr("{;", text[i])) break; ++i; continue; }
            size_t end = i;
            while (end < text.size() && is_word(text[end])) ++end;
            size_t next = text.find_first_not_of(" \t\n", end);
            std::string word = text.substr(i, end - i);
            i = end;
            if (next == std::string::npos || text[next] != '(') continue;
            if (word == "__launch_bounds__") { i = text.find(')', next); continue; }
            names.push_back(word);
            break;
        }
    }
    return names;
}

// `extern __shared__ T name[];` becomes a pointer.
std::string with_dynamic_memory(std::string text) {
    for (size_t at = 0; (at = text.find("extern", at)) != std::string::npos; ++at) {
        size_t next = text.find_first_not_of(" \t\n", at + 6), end = text.find(';', at);
        if (next == std::string::npos || text.compare(next, 10, "__shared__")) continue;
        std::string declared = text.substr(next + 10, end - next - 10);
        size_t bracket = declared.find('['), name = bracket;
        while (name && is_word(declared[name - 1])) --name;
        std::string type = declared.substr(0, name);
        if (size_t align = type.find("__align__"); align != std::string::npos)
            type.erase(align, type.find(')', align) + 1 - align);
        text.replace(at, end - at, type + "*const " + declared.substr(name, bracket - name) +
                                       " = (" + type + "*)standin_dynamic");
    }
    return text;
}

std::string quoted(const std::string &word) {
    std::string result = "'";
    for (char c : word) c == '\'' ? result += "'\\''" : result += c;
    return result + "'";
}

std::string content(const std::string &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}
}  // namespace

EXPORT const char *nvrtcGetErrorString(int result) {
    return result == 6 ? "NVRTC_ERROR_COMPILATION" : result == 5 ? "NVRTC_ERROR_INVALID_OPTION"
                                                                 : "NVRTC_ERROR";
}
NVRTC(Version, int *major, int *minor) {
    return *major = standin_get("runtime") / 1000, *minor = standin_get("runtime") % 1000 / 10, 0;
}
NVRTC(GetNumSupportedArchs, int *n) { return *n = 4, 0; }
NVRTC(GetSupportedArchs, int *archs) {
    for (int arch : {75, 80, 90, 120}) *archs++ = arch;
    return 0;
}
NVRTC(CreateProgram, Program **program, const char *text, const char *, int, const char **,
      const char **) {
    *program = new Program;
    (*program)->text = text;
    return 0;
}
NVRTC(DestroyProgram, Program **program) { delete *program; return *program = nullptr, 0; }
NVRTC(AddNameExpression, Program *program, const char *expression) {
    program->expressions.push_back(expression);
    return 0;
}
NVRTC(GetLoweredName, Program *program, const char *expression, const char **name) {
    return *name = program->lowered[expression].c_str(), 0;
}
NVRTC(CompileProgram, Program *program, int number, const char **options) {
    std::string text = "#line 1 \"kernel.cu\"\n" + with_dynamic_memory(program->text) + "\n";
    for (auto &name : kernels(program->text))
        text += "STANDIN_OFFER(standin_entry_" + name + ", " + name + ")\n";
    for (auto &expression : program->expressions) {
        std::string name = "named_" + std::to_string(program->lowered.size());
        program->lowered[expression] = name;
        text += "STANDIN_OFFER(standin_entry_" + name + ", (" + expression + "))\n";
    }
    std::string command = content(folder() + "/compile"), target = folder() + "/kernels/";
    for (int i = 0; i < number; ++i) {
        std::string option = options[i];
        size_t arch = option.find("arch=");
        if (arch != std::string::npos && option.find("sm_") == std::string::npos &&
            option.find("compute_") == std::string::npos) {
            program->log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
            return 5;
        }
        if (!option.compare(0, 2, "-D") || (!option.compare(0, 2, "-I") &&
                                            option.find("cupy/_core/include") == std::string::npos))
            command += " " + quoted(option);
    }
    char name[40];
    std::hash<std::string> hash;
    snprintf(name, sizeof name, "%016zx%016zx", hash(text + command), hash(command + "\n" + text));
    target += name;
    std::string library = target + ".so";
    if (access(library.c_str(), R_OK)) {
        std::string own = target + "." + std::to_string(getpid()) + "." +
                          std::to_string((size_t)program);
        std::ofstream(own + ".cpp") << text;
        command += " -o " + own + ".so " + own + ".cpp 2> " + own + ".log";
        int status = system(command.c_str());
        program->log = content(own + ".log");
        unlink((own + ".log").c_str());
        if (status) {
            if (!standin_get("keep")) unlink((own + ".cpp").c_str());
            return 6;
        }
        rename((own + ".cpp").c_str(), (target + ".cpp").c_str());
        rename((own + ".so").c_str(), library.c_str());
    }
    program->image = "CUDA stand-in " + library;
    return 0;
}
NVRTC(GetCUBINSize, Program *program, size_t *size) { return *size = program->image.size() + 1, 0; }
NVRTC(GetCUBIN, Program *program, char *to) { return strcpy(to, program->image.c_str()), 0; }
NVRTC(GetPTXSize, Program *program, size_t *size) { return *size = program->image.size() + 1, 0; }
NVRTC(GetPTX, Program *program, char *to) { return strcpy(to, program->image.c_str()), 0; }
NVRTC(GetProgramLogSize, Program *program, size_t *size) { return *size = program->log.size() + 1, 0; }
NVRTC(GetProgramLog, Program *program, char *to) { return strcpy(to, program->log.c_str()), 0; }
