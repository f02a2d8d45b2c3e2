from flask import Blueprint


def blueprint():
    return Blueprint("openapi", __name__)
